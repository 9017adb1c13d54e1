//! Two applications of which every byte counts, through NAT and direct routing: ten thousand values by a pipeline of redis,
//! as many rows of PostgreSQL, read back. All others, and the comparison with a plain router: `make torture`.

use crate::apps::{Scene, missing};
use crate::lab::Load;
use crate::ready;

fn arrives_whole(app: &'static str) {
    if !ready::decide(missing(app)) {
        return;
    }
    let Some(mut scene) = Scene::new(app, Load::Heavy) else { return };
    let plain = scene.by_router(0);
    for outcome in scene.by_director(0) {
        assert_eq!(outcome.content, plain.content, "{} segments were sent again", outcome.again);
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
