//! Every option of a service and of a server, by its row: through the file, the socket, the log, `-S` and back.

use dataplane::flow::{Protocol, ServiceKey};
use dataplane::sched::Scheduler;

use super::fake::{server_info, service_info};
use crate::api::options::Plain;
use crate::api::{
    Edit, Forward, Granularity, SERVER, SERVICE, ServerKind, ServerSpec, ServiceInfo, ServiceKind, ServiceSpec,
    ServiceWords,
};
use crate::config::{self, Place};
use crate::ipvsadm::names::Names;
use crate::ipvsadm::options::Given;
use crate::ipvsadm::{rules, save};

/// Sets an option: on, to the greatest number, to the first name.
fn set<T, W>(plain: &Plain<T, W>, spec: &mut W) {
    match plain {
        Plain::Flag { set, .. } => set(spec, true),
        Plain::Number { most, set, .. } => set(spec, *most),
        Plain::Name { known, set, .. } => set(spec, known()[0].to_owned()),
    }
}

fn bare() -> (ServiceSpec, ServerSpec) {
    let key = ServiceKey::Address { protocol: Protocol::Udp, address: [10, 0, 0, 100].into(), port: 53 };
    (
        ServiceSpec::new(key, Scheduler::Wlc),
        ServerSpec { weight: 7, ..ServerSpec::new(([10, 1, 0, 11], 53).into(), Forward::Dr) },
    )
}

/// A service and a server with every option, but for a tunnel.
fn full() -> (ServiceSpec, ServerSpec) {
    let (service, mut server) = bare();
    let mut words = ServiceWords::from(service);
    for row in &SERVICE {
        match &row.kind {
            ServiceKind::Plain(plain) => set(plain, &mut words),
            ServiceKind::Flags => words.sched_flags = 5,
            ServiceKind::Netmask => words.granularity = Some(Granularity::Mask([255, 255, 0, 0].into())),
        }
    }
    for row in &SERVER {
        if let ServerKind::Plain(plain) = &row.kind {
            set(plain, &mut server);
        }
    }
    (words.known().expect("known names"), server)
}

#[test]
fn every_option_is_in_the_file() {
    let (spec, server) = full();
    let place = Place::default();
    let service = config::Service { spec, servers: vec![config::Server { spec: server, place: place.clone() }], place };
    let text = format!("schema = 1\n{}", config::render_service(&service, false));
    SERVICE.iter().for_each(|row| assert!(text.contains(&format!("\n{} = ", row.key)), "{}: {text}", row.key));
    let read = config::parse(&text, "test").unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert_eq!((&read.services[0].spec, &read.services[0].servers[0].spec), (&service.spec, &service.servers[0].spec));
}

#[test]
fn every_option_is_on_the_socket() {
    let (service, server) = full();
    let text = serde_json::to_string(&(&service, &server)).expect("text");
    assert_eq!(serde_json::from_str::<(ServiceSpec, ServerSpec)>(&text).expect("specs"), (service, server));
}

#[test]
fn every_option_is_in_the_log() {
    let ((service, server), (plain_service, plain_server)) = (full(), bare());
    let told = format!(", {}, ", plain_service.changes_to(&service));
    SERVICE.iter().for_each(|row| assert!(told.contains(&format!(", {} ", row.log)), "{}: {told}", row.log));
    let told = format!(", {}, ", plain_server.changes_to(&server));
    let plain = SERVER.iter().filter(|row| matches!(row.kind, ServerKind::Plain(_)));
    plain.for_each(|row| assert!(told.contains(&format!(", {} ", row.log)), "{}: {told}", row.log));
}

#[test]
fn every_option_is_saved_and_restored() {
    let (service, server) = full();
    let info = ServiceInfo { servers: vec![server_info(server.clone())], ..service_info(service.clone()) };
    let names = Names::from_text("", "");
    let saved = save::table(vec![info], Given::default(), &names, false);
    let requests: Vec<Edit> =
        rules::read(&saved, "test", &names).expect("good lines").into_iter().map(|(_, request)| request).collect();
    let key = service.key;
    assert_eq!(requests, [Edit::AddService { service: service.into() }, Edit::AddServer { key, server }], "{saved}");
}
