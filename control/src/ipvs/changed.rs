//! What changed since workers were told last: services, a bounded number at a time.

use std::collections::HashSet;
use std::sync::Arc;

use dataplane::flow::ServiceKey;
use dataplane::service::VirtualService;

use super::Services;

impl Services {
    /// How many services changed since what changed was taken.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.dirty.len()
    }

    /// At most so many of the services that changed, as workers should see them: `None` = gone.
    pub fn take_changes(&mut self, most: usize) -> Vec<(ServiceKey, Option<Arc<VirtualService>>)> {
        let taken: Vec<ServiceKey> = self.dirty.iter().take(most).copied().collect();
        for key in &taken {
            self.dirty.remove(key);
        }
        if self.dirty.is_empty() {
            // What a large reload needed is not kept.
            self.dirty = HashSet::new();
        }
        let view = |key: &ServiceKey| self.by_key.get(key).map(|service| Arc::new(service.worker_view()));
        taken.into_iter().map(|key| (key, view(&key))).collect()
    }
}
