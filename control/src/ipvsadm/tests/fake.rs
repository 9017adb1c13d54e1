//! A director in memory that knows no packets: enough of the kernel's rules to answer as it does.

use std::net::{IpAddr, SocketAddr};

use dataplane::flow::ServiceKey;
use dataplane::sched::Scheduler;

use crate::api::{
    Answer, ApiError, Client, Code, ConnInfo, Cursor, DaemonSpec, Edit, Query, Rates, Request, ServerInfo, ServerSpec,
    ServiceInfo, ServiceSpec, ServiceWords, Status, Totals,
};

/// The director: its tables, what it will show, and what it was asked.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) services: Vec<ServiceInfo>,
    pub(crate) connections: Vec<ConnInfo>,
    pub(crate) daemons: Vec<DaemonSpec>,
    pub(crate) timeouts: [u32; 3],
    /// Requests that came in, batches counted once.
    pub(crate) asked: usize,
    /// Requests inside batches, as often as they came.
    pub(crate) batched: usize,
    /// In strict parity, as the transcripts of the real tool need it.
    pub(crate) strict: bool,
    /// Refuses everything.
    pub(crate) refusal: Option<ApiError>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self {
            services: vec![],
            connections: vec![],
            daemons: vec![],
            timeouts: [900, 120, 300],
            asked: 0,
            batched: 0,
            strict: true,
            refusal: None,
        }
    }

    fn position(&self, key: &ServiceKey) -> Result<usize, ApiError> {
        self.services.iter().position(|s| s.spec.key == *key).ok_or(error(Code::NoService))
    }

    fn service(&mut self, key: &ServiceKey) -> Result<&mut ServiceInfo, ApiError> {
        self.position(key).map(|at| &mut self.services[at])
    }

    fn server(&mut self, key: &ServiceKey, address: SocketAddr) -> Result<(&mut Vec<ServerInfo>, usize), ApiError> {
        let servers = &mut self.service(key)?.servers;
        let at = servers.iter().position(|s| s.spec.address == address).ok_or(error(Code::NoEntry))?;
        Ok((servers, at))
    }

    fn change(&mut self, edit: Edit) -> Result<(), ApiError> {
        match edit {
            Edit::AddService { service } => {
                refuse(self.position(&service.key).is_ok(), Code::Exists)?;
                self.services.insert(0, service_info(known(service)?));
            }
            Edit::EditService { service } => {
                let at = self.position(&service.key)?;
                self.services[at].spec = known(service)?;
            }
            Edit::DeleteService { key } => {
                let at = self.position(&key)?;
                self.services.remove(at);
            }
            Edit::AddServer { key, server } => {
                let servers = &mut self.service(&key)?.servers;
                refuse(server.lower > server.upper, Code::Range)?;
                refuse(servers.iter().any(|s| s.spec.address == server.address), Code::Exists)?;
                refuse(!unicast(server.address.ip()), Code::Invalid)?;
                servers.insert(0, server_info(server));
            }
            Edit::EditServer { key, server } => {
                self.position(&key)?;
                refuse(server.lower > server.upper, Code::Range)?;
                let (servers, at) = self.server(&key, server.address)?;
                servers[at].spec = server;
            }
            Edit::DeleteServer { key, address } => {
                let (servers, at) = self.server(&key, address)?;
                servers.remove(at);
            }
            Edit::Flush => self.services.clear(),
            Edit::Zero { key: Some(key) } => drop(self.position(&key)?),
            Edit::Zero { key: None } => {}
            Edit::SetTimeouts { tcp, tcp_fin, udp } => {
                for (kept, new) in self.timeouts.iter_mut().zip([tcp, tcp_fin, udp]) {
                    *kept = if new == 0 { *kept } else { new };
                }
            }
            Edit::StartDaemon { daemon } => {
                refuse(daemon.interface != "dc", Code::NoDevice)?;
                refuse(self.daemons.iter().any(|d| d.role == daemon.role), Code::Exists)?;
                self.daemons.push(daemon);
            }
            Edit::StopDaemon { role } => {
                let at = self.daemons.iter().position(|d| d.role == role).ok_or(error(Code::NoService))?;
                self.daemons.remove(at);
            }
            _ => return Err(error(Code::Unsupported)),
        }
        Ok(())
    }

    fn status(&self) -> Answer {
        Answer::Status(Box::new(Status {
            version: String::new(),
            config: String::new(),
            uptime: 0,
            services: 0,
            servers: 0,
            interfaces: vec![],
            strict_parity: self.strict,
            workers: vec![],
            stores: vec![],
        }))
    }

    /// Two to a page.
    fn page(&self, cursor: Option<u64>) -> Answer {
        let start = usize::try_from(cursor.unwrap_or(0)).unwrap();
        let end = (start + 2).min(self.connections.len());
        let next = (end < self.connections.len()).then_some(end as u64);
        Answer::Connections { connections: self.connections[start..end].to_vec(), next, late: None }
    }
}

impl Client for Fake {
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError> {
        self.asked += 1;
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        match request {
            Request::Query(Query::Services { key, cursor, .. }) => {
                let wanted = |s: &&ServiceInfo| key.is_none_or(|key| s.spec.key == key);
                let services: Vec<_> = self.services.iter().filter(wanted).cloned().collect();
                refuse(key.is_some() && services.is_empty(), Code::NoService)?;
                Ok(services_page(&services, cursor))
            }
            Request::Query(Query::Connections { cursor, .. }) => Ok(self.page(cursor)),
            Request::Query(Query::Timeouts) => {
                let [tcp, tcp_fin, udp] = self.timeouts;
                Ok(Answer::Timeouts { tcp, tcp_fin, udp })
            }
            Request::Query(Query::Status) => Ok(self.status()),
            Request::Query(Query::Daemons) => Ok(Answer::Daemons { daemons: self.daemons.clone() }),
            Request::Batch(batch) => {
                for (position, edit) in batch.requests.into_iter().enumerate() {
                    self.batched += 1;
                    self.change(edit).map_err(|e| e.in_batch(position))?;
                }
                Ok(Answer::Done)
            }
            Request::Edit(edit) => self.change(edit).map(|()| Answer::Done),
            other => panic!("ipvsadm does not ask that: {other:?}"),
        }
    }
}

/// Two services to a page, and one server of each at a time.
fn services_page(services: &[ServiceInfo], cursor: Option<Cursor>) -> Answer {
    let (start, server) =
        cursor.map_or((0, 0), |c| (c.service as usize, if c.server == u64::MAX { 0 } else { c.server as usize }));
    let mut page = Vec::new();
    for (at, service) in services.iter().enumerate().skip(start).take(2) {
        let first = if at == start { server } else { 0 };
        let servers: Vec<_> = service.servers.iter().skip(first).take(1).cloned().collect();
        page.push(ServiceInfo { servers, ..service.clone() });
        if service.servers.len() > first + 1 {
            let next = Some(Cursor { service: at as u64, server: first as u64 + 1 });
            return Answer::Services { table_size: 4096, services: page, next };
        }
    }
    let end = start + page.len();
    let next = (end < services.len()).then_some(Cursor { service: end as u64, ..Cursor::START });
    Answer::Services { table_size: 4096, services: page, next }
}

/// A refusal in the director's words.
pub(crate) fn error(code: Code) -> ApiError {
    ApiError { code, place: "fake".to_owned(), text: format!("{code:?}") }
}

fn refuse(when: bool, code: Code) -> Result<(), ApiError> {
    if when { Err(error(code)) } else { Ok(()) }
}

fn known(service: ServiceWords) -> Result<ServiceSpec, ApiError> {
    let spec = service.known().map_err(|refusal| error(refusal.code))?;
    refuse(spec.scheduler == Scheduler::None, Code::NoEntry)?;
    Ok(spec)
}

fn unicast(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_multicast() && !address.is_unspecified() && !broadcast
}

pub(crate) fn service_info(spec: ServiceSpec) -> ServiceInfo {
    ServiceInfo { spec, runtime: true, totals: Totals::default(), rates: Rates::default(), servers: vec![] }
}

pub(crate) fn server_info(spec: ServerSpec) -> ServerInfo {
    ServerInfo {
        spec,
        runtime: true,
        active: 0,
        inactive: 0,
        persistent: 0,
        overloaded: false,
        unresolved: 0,
        totals: Totals::default(),
        rates: Rates::default(),
    }
}
