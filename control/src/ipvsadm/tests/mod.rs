//! Tests against what the real tool printed.

mod fake;
mod story;

use fake::Fake;

macro_rules! stories { ($($name:ident $file:literal)*) => { $( #[test] fn $name() { story::play(&mut Fake::new(), include_str!($file)); } )* } }
stories! { errors "errors.txt" save_restore "save_restore.txt" timeouts "timeouts.txt" tunnels "tunnels.txt" port0 "port0.txt" ipv6 "ipv6.txt"
 q1 "q1.txt" q2 "q2.txt" q3 "q3.txt" q4 "q4.txt" q5 "q5.txt" q6 "q6.txt" q7 "q7.txt" q8 "q8.txt" q9 "q9.txt" }
