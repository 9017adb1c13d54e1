//! Where services and servers come from, and what an operator set beside the file: a reload keeps what was set at run
//! time where the file says what it said before.

use std::net::SocketAddr;

use dataplane::flow::ServiceKey;

use super::Services;

/// Where a service or a server comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin<T> {
    /// Made at run time: the file does not have it.
    pub runtime: bool,
    /// What the file says, where something else was set at run time.
    filed: Option<Box<T>>,
}

impl<T: Clone + PartialEq> Origin<T> {
    /// Of something that was made just now.
    pub(super) fn new(runtime: bool) -> Self {
        Self { runtime, filed: None }
    }

    /// What the file said last; nothing where it does not have it.
    pub fn filed<'a>(&'a self, running: &'a T) -> Option<&'a T> {
        (!self.runtime).then(|| self.filed.as_deref().unwrap_or(running))
    }

    /// Whether what runs was set at run time, and the file says otherwise.
    pub fn is_edited(&self) -> bool {
        self.filed.is_some()
    }

    /// It has other settings from now on: set at run time, or by the file.
    pub(super) fn edited(&mut self, before: &T, after: &T, runtime: bool) {
        if !runtime {
            self.filed = None;
        } else if !self.runtime {
            let filed = self.filed.take().unwrap_or_else(|| Box::new(before.clone()));
            self.filed = Some(filed).filter(|filed| **filed != *after);
        }
    }

    /// The file has it; `as_running` = with the settings that it has.
    fn adopt(&mut self, as_running: bool) {
        self.runtime = false;
        if as_running {
            self.filed = None;
        }
    }
}

impl Services {
    /// The file has a service; `as_running` = with the settings that it has.
    pub fn adopt(&mut self, key: &ServiceKey, as_running: bool) {
        if let Some(service) = self.by_key.get_mut(key) {
            service.origin.adopt(as_running);
        }
    }

    /// The file has a server of a service.
    pub fn adopt_server(&mut self, key: &ServiceKey, address: SocketAddr, as_running: bool) {
        let Some(service) = self.by_key.get_mut(key) else { return };
        if let Some(at) = service.position(address) {
            service.servers[at].origin.adopt(as_running);
        }
    }

    /// Services and servers that the file does not have, and those that have other settings than the file gives them:
    /// what a stop of the director loses. Looks at all.
    #[must_use]
    pub fn made_at_run_time(&self) -> (usize, usize, usize) {
        let (mut services, mut servers, mut edited) = (0, 0, 0);
        for service in self.by_key.values() {
            services += usize::from(service.origin.runtime);
            edited += usize::from(service.origin.is_edited());
            servers += service.servers.iter().filter(|server| server.origin.runtime).count();
            edited += service.servers.iter().filter(|server| server.origin.is_edited()).count();
        }
        (services, servers, edited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_at_run_time_stands_beside_what_the_file_says() {
        let mut origin = Origin::new(false);
        origin.edited(&3, &0, true);
        assert_eq!((origin.filed(&0), origin.is_edited()), (Some(&3), true), "a drain");
        origin.edited(&0, &5, true);
        assert_eq!(origin.filed(&5), Some(&3), "still the file's");
        origin.edited(&5, &3, true);
        assert!(!origin.is_edited(), "as the file has it again");
        origin.edited(&3, &0, true);
        origin.adopt(false);
        assert!(origin.is_edited(), "the file says what it said");
        origin.edited(&0, &4, false);
        assert_eq!((origin.filed(&4), origin.is_edited()), (Some(&4), false), "the file has another value");
        origin.edited(&4, &0, true);
        origin.adopt(true);
        assert!(!origin.is_edited(), "the file says now what was set at run time");
    }

    #[test]
    fn the_file_says_nothing_of_what_was_made_at_run_time() {
        let mut origin = Origin::new(true);
        origin.edited(&1, &2, true);
        assert_eq!((origin.filed(&2), origin.is_edited()), (None, false));
        origin.adopt(true);
        assert_eq!(origin.filed(&2), Some(&2));
    }
}
