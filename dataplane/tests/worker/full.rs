//! Stores that are full: each has a reason of its own, and says how much it holds.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::conn::MOST_HELPED;
use dataplane::counters::FragmentGauges;
use dataplane::flow::Protocol::Tcp;
use dataplane::fragments::{MAX_BYTES, MAX_DATAGRAMS};
use dataplane::method::ForwardMethod::Nat;
use dataplane::sched::Scheduler::Rr;
use dataplane::service::{Manner, Persistent};
use dataplane::steering::Station;
use dataplane::template::Templates;
use dataplane::verdict::Drop;
use dataplane::wire::tcp::SYN;
use dataplane::wire::vlan::Lan;

use crate::counters::Story;
use crate::frames::{Body, packet, pieces};
use crate::lab::{LAN, Lab, THIN, VIP, WAN, client, seeds, server};

/// A client beyond those that other tests know.
fn stranger(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0b00_0000 + n)
}

fn syn(n: u32, port: u16) -> Vec<u8> {
    packet(stranger(n), VIP, Body::Tcp(4000, port, SYN, 0)).frame()
}

/// As many control connections of FTP as are looked into, and one more.
pub(crate) fn of_ftp(story: &mut Story) {
    let lab = std::mem::replace(&mut story.lab, Lab::new(MOST_HELPED as u32 + 10));
    story.lab.know_servers(11..=11);
    story.lab.service(Tcp, VIP, 21, Rr, &[(server(11), 21, Nat, 1)]);
    story.lab.turn();
    (0..MOST_HELPED as u32).for_each(|n| story.lab.feed(WAN, &syn(n, 21)));
    assert_eq!(story.lab.link.gauges.ftp.load(Relaxed), MOST_HELPED as u64);
    story.frame("one control connection too many", &syn(MOST_HELPED as u32, 21), &["drop_ftp_full"]);
    story.lab = lab;
}

impl Lab {
    /// Room for so many connections and persistence templates.
    pub(crate) fn with_templates(capacity: u32, templates: usize) -> Self {
        let templates = Templates::with_room(seeds().maps, templates);
        Self::made(capacity, [WAN, LAN, THIN].map(Lan::untagged), vec![Station::alone()], templates)
    }
}

/// A place for a template in each shard, each of them displaced as often as handles of its connections can be told apart.
pub(crate) fn of_templates(story: &mut Story) {
    let lab = std::mem::replace(&mut story.lab, Lab::with_templates(100_000, Templates::shards()));
    story.lab.know_servers(11..=11);
    let key = story.lab.service(Tcp, VIP, 80, Rr, &[(server(11), 80, Nat, 1)]);
    let persistent = Persistent { timeout: 1 << 10, mask4: u32::MAX, mask6: u128::MAX, engine: None };
    story.lab.manner(key, Manner { one_packet: false, persistent: Some(persistent) });
    let is_refused = |lab: &mut Lab, n: u32| {
        lab.feed(WAN, &syn(n, 80));
        lab.link.counters.dropped(Drop::TemplatesFull) > 0
    };
    let refused = (0..100_000).find(|n| is_refused(&mut story.lab, *n)).expect("a client that is refused");
    story.frame("a client too many", &syn(refused, 80), &["drop_templates_full"]);
    assert_eq!(story.lab.templates.count(), Templates::shards());
    story.lab = lab;
}

#[test]
fn fragments_are_displaced_by_the_bound_that_is_reached() {
    let mut lab = Lab::new(10);
    let first = |n: u32, length: usize| {
        pieces(&packet(stranger(n), VIP, Body::Udp(1, 80, length)).frame(), 1, &[length, 8])[0].clone()
    };
    (0..MAX_DATAGRAMS as u32 + 3).for_each(|n| lab.feed(WAN, &first(n, 48)));
    let gauges = |lab: &Lab| {
        let FragmentGauges { datagrams, bytes } = &lab.link.gauges.fragments[0];
        [&datagrams.used, &bytes.used, &datagrams.displaced, &bytes.displaced].map(|gauge| gauge.load(Relaxed))
    };
    assert_eq!(gauges(&lab), [1024, 1024 * 256, 3, 0]);
    assert_eq!(lab.count("drop_fragment_evicted"), 3);
    // One source has too many, and the store is not full of them.
    (0..100).for_each(|id| {
        lab.feed(WAN, &pieces(&packet(client(3), VIP, Body::Udp(1, 80, 100)).frame(), id, &[48, 60])[0])
    });
    assert_eq!((gauges(&lab)[2], lab.count("drop_fragment_evicted")), (3 + 64, 3 + 100));
    let mut lab = Lab::new(10);
    (0..600).for_each(|n| lab.feed(WAN, &first(n, 8000)));
    let [datagrams, bytes, by_count, by_bytes] = gauges(&lab);
    assert_eq!((datagrams + by_bytes, by_count), (600, 0));
    assert!(bytes <= MAX_BYTES as u64 && bytes > MAX_BYTES as u64 - 8448, "{bytes}");
}
