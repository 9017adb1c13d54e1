//! The files `/proc/net/ip_vs*` as the kernel writes them (`ip_vs_ctl.c`, `ip_vs_conn.c`).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use dataplane::flow::ServiceKey;

use crate::api::{ConnInfo, Granularity, Rates, ServerInfo, ServiceInfo, Totals};

/// The kernel's clock when the figures were chosen: persistence is shown in its ticks.
const HZ: u64 = 100;

/// `ip_vs`: its head.
#[must_use]
pub fn services_head(table_size: u32) -> String {
    format!(
        "IP Virtual Server version 1.2.1 (size={table_size})\n\
         Prot LocalAddress:Port Scheduler Flags\n\
         \x20 -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
    )
}

/// `ip_vs`: a service and its servers, or servers of one whose line stands before.
#[must_use]
pub fn service(service: &ServiceInfo, continued: bool) -> String {
    let mut text = if continued { String::new() } else { service_line(service) };
    service.servers.iter().for_each(|server| text += &server_line(server));
    text
}

/// One-packet scheduling is told of IPv4 services and marks only.
fn service_line(service: &ServiceInfo) -> String {
    let spec = &service.spec;
    let scheduler = spec.scheduler.name();
    let ops = if spec.ops { "ops " } else { "" };
    let line = match spec.key {
        ServiceKey::Address { protocol, address, port } => {
            let ops = if address.is_ipv4() { format!("{ops} ") } else { String::new() };
            format!("{protocol}  {} {scheduler} {ops}", hex_end(SocketAddr::new(address, port)))
        }
        ServiceKey::Mark { fwmark, .. } => format!("FWM  {fwmark:08X} {scheduler} {ops}"),
    };
    let Some(seconds) = spec.persistence else { return line + "\n" };
    let mask = match spec.granularity {
        Some(Granularity::Mask(mask)) => mask.to_bits(),
        Some(Granularity::Prefix(bits)) => u32::from(bits).swap_bytes(),
        None if spec.key.family() == dataplane::flow::Family::Ipv6 => 128u32.swap_bytes(),
        None => u32::MAX,
    };
    format!("{line}persistent {} {mask:08X}\n", u64::from(seconds) * HZ)
}

fn server_line(server: &ServerInfo) -> String {
    let method = server.spec.forward.kernel_title();
    let (weight, active, inactive) = (server.spec.weight, server.active, server.inactive);
    let place = hex_end(server.spec.address);
    format!("  -> {place}      {method:<7} {weight:<6} {active:<10} {inactive:<10}\n")
}

/// `ip_vs_conn`: its head.
pub const CONNECTIONS_HEAD: &str = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";

/// `ip_vs_conn`: a connection.
#[must_use]
pub fn connection(conn: &ConnInfo) -> String {
    let mut text = format!("{} {:7}", ends_and_state(conn), conn.expires);
    if let Some((engine, data)) = &conn.engine {
        let _ = write!(text, " {engine} {data}");
    }
    text + "\n"
}

/// `ip_vs_conn_sync`: its head.
pub const SYNC_HEAD: &str = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n";

/// `ip_vs_conn_sync`: a connection. All were made here.
#[must_use]
pub fn connection_of_origin(conn: &ConnInfo) -> String {
    format!("{} LOCAL  {:7}\n", ends_and_state(conn), conn.expires)
}

fn ends_and_state(conn: &ConnInfo) -> String {
    let ends =
        [conn.client, conn.vip, conn.destination].map(|end| format!("{} {:04X}", hex_address(end.ip()), end.port()));
    let protocol = conn.protocol.map_or("IP".to_owned(), |p| p.to_string());
    format!("{protocol:<3} {} {:<11}", ends.join(" "), conn.state)
}

/// `ip_vs_stats`: sums over all services, in hexadecimal.
#[must_use]
pub fn stats(totals: &Totals, rates: &Rates) -> String {
    let head = "   Total Incoming Outgoing         Incoming         Outgoing\n";
    let (sums, per_second) = (sums(totals), per_second(rates));
    format!(
        "{head}   Conns  Packets  Packets            Bytes            Bytes\n{sums}\n\
         {}{per_second}",
        " Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n"
    )
}

/// `ip_vs_stats_percpu`: the sums of each worker, never zeroed, and those of all.
#[must_use]
pub fn stats_per_worker(workers: &[Totals], totals: &Totals, rates: &Rates) -> String {
    let mut text = String::from(
        "       Total Incoming Outgoing         Incoming         Outgoing\n\
         CPU    Conns  Packets  Packets            Bytes            Bytes\n",
    );
    for (worker, totals) in workers.iter().enumerate() {
        let _ = write!(text, "{worker:3X} {}", sums(totals));
    }
    text + &format!(
        "  ~ {}\n     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n    {}",
        sums(totals),
        per_second(rates)
    )
}

/// `ip_vs_app`: helpers of protocols, and how many connections each looks into. There is that of FTP.
#[must_use]
pub fn helpers(ftp: u32) -> String {
    format!("prot port    usecnt name\n{:<3}  {:<7} {ftp:<6} {:<17}\n", "TCP", 21, "ftp")
}

fn sums(t: &Totals) -> String {
    line([t.connections, t.in_packets, t.out_packets, t.in_bytes, t.out_bytes])
}

fn per_second(r: &Rates) -> String {
    line([r.connections, r.in_packets, r.out_packets, r.in_bytes, r.out_bytes])
}

fn line(a: [u64; 5]) -> String {
    format!("{:8X} {:8X} {:8X} {:16X} {:16X}\n", a[0], a[1], a[2], a[3], a[4])
}

fn hex_end(end: SocketAddr) -> String {
    match end.ip() {
        IpAddr::V4(_) => format!("{}:{:04X}", hex_address(end.ip()), end.port()),
        IpAddr::V6(_) => format!("[{}]:{:04X}", hex_address(end.ip()), end.port()),
    }
}

fn hex_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{:08X}", address.to_bits()),
        IpAddr::V6(address) => address.segments().map(|s| format!("{s:04x}")).join(":"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Edit, ServiceSpec};
    use crate::ipvsadm::names::Names;
    use crate::ipvsadm::rules;

    fn spec(line: &str) -> ServiceSpec {
        let changes = rules::read(line, "test", &Names::from_text("", "")).expect("a good line");
        match changes.into_iter().next() {
            Some((_, Edit::AddService { service })) => service.known().expect("a scheduler"),
            other => panic!("{other:?}"),
        }
    }

    /// As Linux 6.1.176 writes them.
    #[test]
    fn every_form_of_a_service() {
        for (line, wanted) in [
            ("-A -t 10.0.0.100:81 -s lc", "TCP  0A000064:0051 lc  "),
            ("-A -t 10.0.0.100:80 -s rr -p 100", "TCP  0A000064:0050 rr  persistent 10000 FFFFFFFF"),
            (
                "-A -u 10.0.0.100:53 -s wrr -o -p 60 -M 255.255.0.0",
                "UDP  0A000064:0035 wrr ops  persistent 6000 FFFF0000",
            ),
            ("-A -f 5 -s rr", "FWM  00000005 rr "),
            ("-A -f 6 -s rr -p 100", "FWM  00000006 rr persistent 10000 FFFFFFFF"),
            ("-A -f 7 -s rr -p 100 -M 255.255.255.0 -o", "FWM  00000007 rr ops persistent 10000 FFFFFF00"),
            ("-A -f 8 -s rr -o", "FWM  00000008 rr ops "),
            ("-A -f 9 -6 -s rr -p 10 -M 64", "FWM  00000009 rr persistent 1000 40000000"),
            ("-A -f 4294967295 -s rr", "FWM  FFFFFFFF rr "),
            ("-A -u [fd00::100]:53 -s rr -o", "UDP  [fd00:0000:0000:0000:0000:0000:0000:0100]:0035 rr "),
            (
                "-A -u [fd00::100]:54 -s rr -o -p 10",
                "UDP  [fd00:0000:0000:0000:0000:0000:0000:0100]:0036 rr persistent 1000 80000000",
            ),
        ] {
            let (totals, rates) = (Totals::default(), Rates::default());
            let service = ServiceInfo { spec: spec(line), runtime: true, totals, rates, servers: Vec::new() };
            assert_eq!(service_line(&service), format!("{wanted}\n"), "{line}");
        }
    }

    #[test]
    fn where_a_connection_comes_from() {
        let [client, vip, destination] =
            ["172.16.0.1:4000", "10.0.0.100:80", "10.1.0.11:8080"].map(|end| end.parse().expect("an address"));
        let conn = ConnInfo {
            protocol: Some(dataplane::flow::Protocol::Tcp),
            client,
            vip,
            destination,
            state: "SYN_RECV".to_owned(),
            expires: 59,
            engine: None,
            worker: 0,
            in_packets: 1,
        };
        let wanted = "TCP AC100001 0FA0 0A000064 0050 0A01000B 1F90 SYN_RECV    LOCAL       59\n";
        assert_eq!(connection_of_origin(&conn), wanted);
    }
}
