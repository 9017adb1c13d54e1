//! Changes of the wanted state, one request at a time or several together.

use std::sync::Arc;

use dataplane::clock::ticks;
use dataplane::flow::ServiceKey;
use dataplane::proto::tcp::State;

use super::{Director, Pump};
use crate::api::{ApiError, Code, DaemonSpec, Edit};
use crate::ipvs::no_service;

impl Director {
    /// Changes in their order, up to the first that is refused.
    pub(super) fn batch(&mut self, edits: Vec<Edit>, host: Pump<'_>) -> Result<(), ApiError> {
        for (index, edit) in edits.into_iter().enumerate() {
            self.edit(edit, host).map_err(|error| error.in_batch(index))?;
            self.pause(host);
        }
        Ok(())
    }

    /// A change that an operator asks for. The log tells of it.
    pub(super) fn edit(&mut self, edit: Edit, host: Pump<'_>) -> Result<(), ApiError> {
        let words = self.words(&edit);
        self.apply(edit, true, host)?;
        if let Some(words) = words {
            self.audit.note(words);
        }
        Ok(())
    }

    fn flush(&mut self, host: Pump<'_>) -> Result<(), ApiError> {
        for key in self.services.keys() {
            self.delete_service(&key)?;
            self.pause(host);
        }
        Ok(())
    }

    fn zero_all(&mut self, host: Pump<'_>) {
        for key in self.services.keys() {
            self.zero(&key);
            self.pause(host);
        }
        let now = self.raw_total();
        self.sampling.zero(now, self.services.reading);
    }

    /// Makes a change of the wanted state, at run time or for the file. The log does not tell of it.
    pub(super) fn apply(&mut self, edit: Edit, runtime: bool, host: Pump<'_>) -> Result<(), ApiError> {
        let crew = &self.crew;
        let read = |slot: u32| crew.totals(slot);
        match edit {
            Edit::AddService { service } => self.services.add(service, runtime, self.now),
            Edit::EditService { service } => self.services.edit(service, runtime),
            Edit::DeleteService { key } => self.delete_service(&key),
            Edit::AddServer { key, server } => self.services.add_server(&key, server, runtime, &|slot| {
                crew.ensure(slot);
                read(slot)
            }),
            Edit::EditServer { key, server } => {
                self.services.edit_server(&key, server, runtime)?;
                // Under strict parity a server's next packet makes the route that all its connections share.
                if self.config.ipvs.strict_parity {
                    self.net.change();
                }
                Ok(())
            }
            Edit::DeleteServer { key, address } => {
                self.services.delete_server(&key, address, &read)?;
                self.end_orphans_soon();
                Ok(())
            }
            Edit::Flush => self.flush(host),
            Edit::Zero { key: None } => {
                self.zero_all(host);
                Ok(())
            }
            Edit::Zero { key: Some(key) } => {
                self.services.get(&key).ok_or_else(|| no_service(&key))?;
                self.zero(&key);
                Ok(())
            }
            Edit::SetTimeouts { tcp, tcp_fin, udp } => {
                self.set_timeouts(tcp, tcp_fin, udp);
                Ok(())
            }
            Edit::AddMark { rule } => self.add_mark(rule),
            Edit::DeleteMark { rule } => self.delete_mark(&rule),
            Edit::SetSysctl { name, value } => self.set_sysctl(&name, &value),
            Edit::AddRoute { route } => self.add_route(&route),
            Edit::DeleteRoute { to } => self.delete_route(&to),
            Edit::DeleteVip { address } => self.delete_vip(address),
            Edit::StartDaemon { daemon } => Err(self.no_daemon(&daemon)),
            Edit::StopDaemon { .. } => Err(ApiError {
                code: Code::NoService,
                place: String::new(),
                text: "no synchronisation daemon is running".to_owned(),
            }),
        }
    }

    /// Why no synchronisation daemon starts: first what keeps it in the kernel (`ip_vs_genl_new_daemon`).
    fn no_daemon(&self, daemon: &DaemonSpec) -> ApiError {
        if self.services.mix_families() {
            let text = "no synchronisation: a server has another address family than its service".to_owned();
            return ApiError { code: Code::Invalid, place: daemon.interface.clone(), text };
        }
        if self.net.interfaces().iter().any(|interface| *interface.name == *daemon.interface) {
            return ApiError::unsupported("the synchronisation daemon is not supported yet");
        }
        ApiError {
            code: Code::NoDevice,
            place: daemon.interface.clone(),
            text: "there is no such interface".to_owned(),
        }
    }

    pub(super) fn delete_service(&mut self, key: &ServiceKey) -> Result<(), ApiError> {
        let crew = &self.crew;
        self.services.delete(key, &|slot| crew.totals(slot))?;
        self.end_orphans_soon();
        Ok(())
    }

    fn zero(&mut self, key: &ServiceKey) {
        let crew = &self.crew;
        self.services.zero(key, &|slot| crew.totals(slot));
    }

    pub(super) fn set_timeouts(&mut self, tcp: u32, tcp_fin: u32, udp: u32) {
        let timeouts = Arc::make_mut(&mut self.tables.timeouts);
        let set = |slot: &mut u32, seconds: u32| {
            if seconds > 0 {
                *slot = ticks(seconds);
            }
        };
        set(&mut timeouts.tcp[State::Established as usize], tcp);
        set(&mut timeouts.tcp[State::FinWait as usize], tcp_fin);
        if udp > 0 {
            timeouts.udp.set(ticks(udp));
        }
        self.publish_soon();
    }

    /// With `expire_nodest_conn`, what leads to a server that was removed ends.
    fn end_orphans_soon(&mut self) {
        if self.tables.sysctls.expire_nodest_conn != 0 {
            self.orphans.end_soon(self.now);
        }
    }
}
