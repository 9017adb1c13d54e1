//! Each transcript, from an empty director on.

use super::fake::Fake;
use super::story::{named, nameless, play};

macro_rules! transcripts {
    ($($test:ident: $file:literal, $names:expr;)*) => {
        $(#[test]
        fn $test() {
            play(&mut Fake::new(), &$names, include_str!($file));
        })*
    };
}

transcripts! {
    errors: "errors.txt", nameless();
    save_restore: "save_restore.txt", nameless();
    timeouts: "timeouts.txt", nameless();
    tunnels: "tunnels.txt", nameless();
    port0: "port0.txt", nameless();
    ipv6: "ipv6.txt", nameless();
    every_option_with_every_command: "matrix.txt", named();
    pairs_of_options: "pairs.txt", named();
    forms_of_options: "forms.txt", named();
    addresses_and_names: "addresses.txt", named();
    more_addresses: "more_addresses.txt", named();
    restore_lines: "restore_lines.txt", named();
    masks_and_flags: "masks_and_flags.txt", named();
    daemons_and_tunnels: "daemons_and_tunnels.txt", named();
    marks_and_ports: "marks_and_ports.txt", named();
}
