//! `sluice neigh`, `sluice routes` and `sluice route`

use std::io::{self, Write};

use super::args::RouteCommand;
use super::table::{Table, duration};
use crate::api::{NeighborInfo, Request, RouteInfo, RouteSpec};

pub(super) fn print_neighbors(neighbors: &[NeighborInfo], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["ADDRESS", "INTERFACE", "MAC", "STATE", ">SINCE"]);
    for each in neighbors {
        table.row(vec![
            each.address.to_string(),
            each.interface.clone(),
            each.mac.clone().unwrap_or_else(|| "-".to_owned()),
            each.state.clone(),
            duration(each.age),
        ]);
    }
    table.print(out)
}

pub(super) fn print_routes(routes: &[RouteInfo], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["TO", "VIA", "INTERFACE", "KIND", ""]);
    for each in routes {
        table.row(vec![
            each.to.clone(),
            each.via.map_or_else(|| "-".to_owned(), |via| via.to_string()),
            each.interface.clone().unwrap_or_else(|| "-".to_owned()),
            each.kind.clone(),
            if each.runtime { "runtime".to_owned() } else { String::new() },
        ]);
    }
    table.print(out)
}

/// What `sluice route` asks for.
pub(super) fn change_route(command: &RouteCommand) -> Request {
    match command.clone() {
        RouteCommand::Add { to, via, interface, unreachable, blackhole } => {
            Request::AddRoute { route: RouteSpec { to, via, interface, unreachable, blackhole } }
        }
        RouteCommand::Del { to } => Request::DeleteRoute { to },
    }
}
