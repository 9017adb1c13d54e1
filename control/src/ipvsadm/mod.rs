//! The grammar and the texts of ipvsadm 1.31.
