//! Two applications of which every byte counts, through NAT and direct routing: ten thousand values by a pipeline of redis,
//! as many rows of PostgreSQL, read back. All others, and the comparison with a plain router: `make torture`.

use crate::apps::{Outcome, Scene, missing};
use crate::lab::Load;
use crate::ready;

fn arrives_whole(app: &'static str) {
    if !ready::decide(missing(app)) {
        return;
    }
    let Some(mut scene) = Scene::new(app, Load::Heavy) else { return };
    let plain = scene.by_router(0);
    for outcome in scene.by_director(0) {
        let Outcome { content, again, counted, .. } = &outcome;
        assert_eq!(*content, plain.content, "{again} segments were sent again, the kernel counted {counted} drops");
        assert!(outcome.figure.is_none() && outcome.lost.is_none(), "{outcome:?}");
    }
}

#[test]
fn redis_reads_what_it_wrote() {
    arrives_whole("redis");
}

#[test]
fn postgresql_reads_what_it_wrote() {
    arrives_whole("postgres");
}
