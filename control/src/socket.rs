//! The control socket: one JSON object a line, both ways.
