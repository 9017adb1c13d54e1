//! Devices by tables, and the landing function by random connections.

use proptest::prelude::*;

use super::*;
use crate::conn::HashKey;
use crate::flow::Tuple;

const IXGBE: u64 = 0x3_8d34;
const I40E: u64 = 0x7ef8;
const ICE: u64 = 0x7ffc;
/// IP, UDP, TCP, their IPv6 extensions, one end only, ESP.
const MLX5: u64 = 0xf000_0000_0803_afbc;
const VIRTIO: u64 = 0x3_8d34;
const ENA: u64 = 0xc30;

/// What drivers say in DPDK 22.11, devices of usual size.
fn device(name: &str) -> DeviceCaps {
    let (driver, queues, rss, key, table) = match name {
        "ixgbe" => ("net_ixgbe", 128, IXGBE, 40, 128),
        "i40e" => ("net_i40e", 192, I40E, 52, 512),
        "ice" => ("net_ice", 64, ICE, 52, 2048),
        "mlx5" => ("mlx5_pci", 1024, MLX5, 40, 512),
        "virtio" => ("net_virtio", 4, 0, 0, 0),
        "virtio+rss" => ("net_virtio", 4, VIRTIO, 40, 128),
        "ena" => ("net_ena", 8, ENA, 40, 128),
        "af_packet" => ("net_af_packet", 1, 0, 0, 0),
        "tap" => ("net_tap", 16, 0x3_afbc, 40, 0),
        "vhost" => ("net_vhost", 1, 0, 0, 0),
        "virtio_user" => ("net_virtio_user", 2, 0, 0, 0),
        "memif" => ("net_memif", 256, 0, 0, 0),
        _ => panic!("{name}"),
    };
    DeviceCaps::new(driver, (queues, queues), rss, key, table)
}

fn port(name: &str, side: Side) -> PortCaps {
    PortCaps { name: name.to_owned(), side, caps: device(name) }
}

fn share(share: Option<Share>) -> String {
    share.map_or("-".to_owned(), |share| share.to_string())
}

/// Case, why, queues, requests, replies of a two-armed director whose ports are alike.
fn row(name: &str, workers: u16, steering: Steering) -> String {
    let plan = plan(&[port(name, Side::Client), port(name, Side::Server)], workers, steering);
    let [client, server] = plan.ports.as_slice() else { panic!("two ports") };
    assert_eq!((client.case, client.why, client.rx_queues), (server.case, server.why, server.rx_queues));
    assert_eq!((client.replies, server.requests), (None, None));
    assert_eq!(plan.signposts, workers > 1 && steering == Steering::Tuple);
    let (requests, replies) = (share(client.requests), share(server.replies));
    format!("{:?} {:?} {} {requests} {replies}", client.case, client.why, client.rx_queues)
}

#[test]
fn one_worker_is_always_alone() {
    for name in [
        "ixgbe",
        "i40e",
        "ice",
        "mlx5",
        "virtio",
        "virtio+rss",
        "ena",
        "af_packet",
        "tap",
        "vhost",
        "virtio_user",
        "memif",
    ] {
        for steering in [Steering::Tuple, Steering::Client] {
            assert_eq!(row(name, 1, steering), "Alone OneWorker 1 none none", "{name}");
        }
    }
}

#[test]
fn tuple_steering() {
    let hardware = ["Hardware Hashes 2 none 1/2", "Hardware Hashes 4 none 3/4", "Hardware Hashes 8 none 7/8"];
    let one_queue = ["OneQueue OneQueue 1 1/2 3/4", "OneQueue OneQueue 1 3/4 15/16", "OneQueue OneQueue 1 7/8 63/64"];
    let anywhere = ["Anywhere NoHash 2 1/2 3/4", "Anywhere NoHash 4 3/4 15/16", "Anywhere NoHash 8 7/8 63/64"];
    let table = [
        ("ixgbe", hardware),
        ("i40e", hardware),
        ("ice", hardware),
        ("mlx5", hardware),
        ("ena", hardware),
        ("virtio+rss", [hardware[0], hardware[1], "Hardware FewQueues 4 1/2 15/16"]),
        ("virtio", [anywhere[0], anywhere[1], "Anywhere NoHash 4 7/8 63/64"]),
        ("af_packet", one_queue),
        ("vhost", one_queue),
        ("virtio_user", [anywhere[0], "Anywhere NoHash 2 3/4 15/16", "Anywhere NoHash 2 7/8 63/64"]),
        ("memif", anywhere),
        (
            "tap",
            ["Anywhere Unsettable 2 1/2 3/4", "Anywhere Unsettable 4 3/4 15/16", "Anywhere Unsettable 8 7/8 63/64"],
        ),
    ];
    for (name, expected) in table {
        assert_eq!([2, 4, 8].map(|workers| row(name, workers, Steering::Tuple)), expected, "{name}");
    }
}

#[test]
fn client_steering() {
    let hardware = ["Hardware Hashes 2 none none", "Hardware Hashes 4 none none", "Hardware Hashes 8 none none"];
    let both_ends =
        ["Anywhere BothEndsOnly 2 1/2 1/2", "Anywhere BothEndsOnly 4 3/4 3/4", "Anywhere BothEndsOnly 8 7/8 7/8"];
    let one_queue = ["OneQueue OneQueue 1 1/2 1/2", "OneQueue OneQueue 1 3/4 3/4", "OneQueue OneQueue 1 7/8 7/8"];
    let anywhere = ["Anywhere NoHash 2 1/2 1/2", "Anywhere NoHash 4 3/4 3/4", "Anywhere NoHash 8 7/8 7/8"];
    let table = [
        ("mlx5", hardware),
        ("ixgbe", both_ends),
        ("i40e", both_ends),
        ("ice", both_ends),
        ("ena", both_ends),
        ("virtio+rss", [both_ends[0], both_ends[1], "Anywhere BothEndsOnly 4 7/8 7/8"]),
        ("virtio", [anywhere[0], anywhere[1], "Anywhere NoHash 4 7/8 7/8"]),
        ("af_packet", one_queue),
        ("vhost", one_queue),
        ("virtio_user", [anywhere[0], "Anywhere NoHash 2 3/4 3/4", "Anywhere NoHash 2 7/8 7/8"]),
        ("memif", anywhere),
        ("tap", ["Anywhere Unsettable 2 1/2 1/2", "Anywhere Unsettable 4 3/4 3/4", "Anywhere Unsettable 8 7/8 7/8"]),
    ];
    for (name, expected) in table {
        assert_eq!([2, 4, 8].map(|workers| row(name, workers, Steering::Client)), expected, "{name}");
    }
}

#[test]
fn a_fixed_key_or_table_is_no_landing() {
    for spoil in [|c: &mut DeviceCaps| c.key_settable = false, |c: &mut DeviceCaps| c.table_settable = false] {
        let mut ena = port("ena", Side::Both);
        spoil(&mut ena.caps);
        let plan = plan(&[ena], 4, Steering::Tuple);
        assert_eq!((plan.ports[0].case, plan.toeplitz), (Case::Anywhere, None));
        assert!(plan.ports[0].rss.is_some(), "it still spreads");
    }
}

#[test]
fn a_one_armed_director_steers_by_tuple() {
    let plan = plan(&[port("mlx5", Side::Both)], 4, Steering::Client);
    assert_eq!((plan.asked, plan.steering, plan.signposts), (Steering::Client, Steering::Tuple, true));
}

#[test]
fn devices_are_told_what_the_function_computes() {
    let ports = [port("i40e", Side::Client), port("virtio+rss", Side::Client), port("af_packet", Side::Server)];
    let plan = plan(&ports, 6, Steering::Tuple);
    let no_sctp_tag = PortsOf { tcp: true, udp: true, sctp: false };
    assert_eq!(plan.toeplitz, Some((128, no_sctp_tag)));
    let tables = [0, 1].map(|at| plan.ports[at].rss.clone().expect("it hashes").table);
    assert_eq!((tables[0].len(), tables[1].len(), plan.ports[2].rss.is_none()), (512, 128, true));
    for (entry, queue) in tables[0].iter().enumerate() {
        assert_eq!(usize::from(*queue), entry % 128 % 6);
    }
    assert_eq!(tables[1][..8], [0, 1, 2, 3, 0, 1, 0, 1], "workers 4 and 5 are reached by queues 0 and 1");
}

#[test]
fn client_steering_restricts_the_hash_by_side() {
    let plan = plan(&[port("mlx5", Side::Client), port("mlx5", Side::Server)], 2, Steering::Client);
    let types = [0, 1].map(|at| plan.ports[at].rss.as_ref().expect("it hashes").types.bits());
    assert_eq!(types, [0xa000_0000_0000_2fbc, 0x5000_0000_0000_2fbc]);
}

#[test]
fn operators_read_it() {
    let ports = [port("ixgbe", Side::Client), port("af_packet", Side::Server)];
    assert_eq!(
        plan(&ports, 4, Steering::Tuple).to_string(),
        "4 workers, steering by tuple, LVS-NAT replies need signposts\n\
         ixgbe: net_ixgbe, 128 rx queues, 128 tx queues\n  \
           in force: the device distributes packets by hash, 4 rx queues, worker w reads queue w\n  \
           handed to another worker: requests none\n  \
           why: the device hashes the fields that this steering needs\n\
         af_packet: net_af_packet, 1 rx queue, 1 tx queue\n  \
           in force: one worker receives everything and hands packets to the others, 1 rx queue, read by worker 0\n  \
           handed to another worker: LVS-NAT replies 15/16\n  \
           why: the device has one rx queue\n  \
           better: a device with RSS and a receive queue for each worker\n  \
           warning: 1 tx queue for 4 workers; those without one hand over what they send here\n"
    );
}

const KEYS: Keys = Keys { hash: HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]), toeplitz: [0x5b; 52] };

#[test]
fn both_hashes_spread_client_ports() {
    for name in ["mlx5", "memif"] {
        for steering in [Steering::Tuple, Steering::Client] {
            let landing = plan(&[port(name, Side::Client), port(name, Side::Server)], 8, steering).landing(0, &KEYS);
            let mut workers = [0u32; 8];
            for i in 0..8000u32 {
                let tuple = Tuple { src: 0xac10_0001 + i % 25, sport: 1024 + i as u16, dst: 9, dport: 80, protocol: 6 };
                workers[usize::from(landing.worker(&tuple, None))] += 1;
            }
            assert!(workers.iter().all(|n| (850..1150).contains(n)), "{name} {steering}: {workers:?} around 1000");
        }
    }
}

proptest! {
    #[test]
    fn under_client_steering_replies_land_where_requests_do(
        client: (u32, u16), vip: (u32, u16), server: (u32, u16), hash: [u64; 2], word: [u8; 2], workers in 1u16..40,
        protocol in prop::sample::select(vec![1u8, 6, 17, 132]),
        names in prop::sample::select(vec![("mlx5", "mlx5"), ("mlx5", "af_packet"), ("memif", "tap"), ("ixgbe", "ice")]),
    ) {
        let mut toeplitz = [0x77; 52];
        toeplitz[..2].copy_from_slice(&word);
        let keys = Keys { hash: HashKey(hash), toeplitz };
        let plan = plan(&[port(names.0, Side::Client), port(names.1, Side::Server)], workers, Steering::Client);
        let request = Tuple { src: client.0, sport: client.1, dst: vip.0, dport: vip.1, protocol };
        let reply = Tuple { src: server.0, sport: server.1, dst: client.0, dport: client.1, protocol };
        let home = plan.landing(0, &keys).worker(&request, None);
        prop_assert_eq!(home, plan.landing(1, &keys).worker(&reply, None));
        prop_assert!(home < workers);
    }

    #[test]
    fn hardware_queue_and_home_agree(tuple: (u32, u32, u16, u16), toeplitz: [u8; 32], workers in 2u16..40) {
        let mut key = [0x31; 52];
        key[..32].copy_from_slice(&toeplitz);
        let keys = Keys { hash: HashKey([1, 2]), toeplitz: key };
        let plan = plan(&[port("ice", Side::Both), port("ena", Side::Both)], workers, Steering::Tuple);
        let (src, dst, sport, dport) = tuple;
        let home = plan.landing(0, &keys).worker(&Tuple { src, dst, sport, dport, protocol: 6 }, None);
        let hashed = crate::wire::toeplitz::hash(&key, &crate::wire::toeplitz::ipv4_ports(src, dst, sport, dport));
        for port in &plan.ports {
            let table = &port.rss.as_ref().expect("it hashes").table;
            prop_assert_eq!(table[hashed as usize % table.len()], home % port.rx_queues);
        }
    }
}
