//! `sluice neigh`, `sluice routes`, `sluice route` and `sluice vip`

use std::io::{self, Write};

use super::args::RouteCommand;
use super::table::{Table, duration};
use super::{Failure, print_json};
use crate::api::{Answer, Client, Edit, NeighborInfo, Query, RouteInfo, RouteSpec, VipInfo, VipOrigin};

pub(super) fn print_neighbors(neighbors: &[NeighborInfo], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["ADDRESS", "INTERFACE", "MAC", "STATE", ">SINCE"]);
    for each in neighbors {
        table.row(vec![
            each.address.to_string(),
            each.interface.clone(),
            each.mac.clone().unwrap_or_else(|| "-".to_owned()),
            each.state.name().to_owned(),
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
            each.kind.name().to_owned(),
            if each.runtime { "runtime".to_owned() } else { String::new() },
        ]);
    }
    table.print(out)
}

/// Virtual addresses, page by page; as JSON in one.
pub(super) fn vips(json: bool, client: &mut dyn Client, out: &mut dyn Write) -> Result<(), Failure> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let Answer::Vips { vips, next } = client.ask(Query::Vips { cursor }.into())? else {
            return Err(Failure::Strange);
        };
        all.extend(vips);
        // A director that does not move on would keep us for ever.
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    if json { print_json(&Answer::Vips { vips: all, next: None }, out) } else { Ok(print_vips(&all, out)?) }
}

fn print_vips(vips: &[VipInfo], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["ADDRESS", "INTERFACES", "FROM", ">SERVICES"]);
    for each in vips {
        let from = match each.origin {
            VipOrigin::File => "file",
            VipOrigin::Service => "service",
            VipOrigin::Runtime => "runtime",
        };
        let on = if each.interfaces.is_empty() { "-".to_owned() } else { each.interfaces.join(",") };
        table.row(vec![each.address.to_string(), on, from.to_owned(), each.services.to_string()]);
    }
    table.print(out)
}

/// What `sluice route` asks for.
pub(super) fn change_route(command: &RouteCommand) -> Edit {
    match command.clone() {
        RouteCommand::Add { to, via, interface, unreachable, blackhole } => {
            Edit::AddRoute { route: RouteSpec { to, via, interface, unreachable, blackhole } }
        }
        RouteCommand::Del { to } => Edit::DeleteRoute { to },
    }
}
