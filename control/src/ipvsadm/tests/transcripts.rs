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
#[test]
fn scratch() {
    play(&mut Fake::new(), &named(), &std::fs::read_to_string("/tmp/q11.txt").unwrap());
}
#[test] fn scratch_all() { let mut bad = 0; for f in std::fs::read_dir("/tmp/gt").unwrap() { let p = f.unwrap().path(); let t = std::fs::read_to_string(&p).unwrap();
 if let Err(e) = std::panic::catch_unwind(|| play(&mut Fake::new(), &nameless(), &t)) { bad += 1; println!("FILE {} {}", p.display(), e.downcast_ref::<String>().unwrap()); } } assert_eq!(bad, 0); }
