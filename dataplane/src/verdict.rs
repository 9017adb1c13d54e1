//! How a packet ends. One table makes each reason's variant, its name and its counter.

/// Declares reasons: variant, counter name, and the group they belong to.
macro_rules! reasons {
    ($(#[$meta:meta])* $group:ident $prefix:literal { $($(#[doc = $doc:literal])* $variant:ident $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $group { $($(#[doc = $doc])* $variant,)* }

        impl $group {
            /// Every variant, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The counter names, in order.
            pub const NAMES: &'static [&'static str] = &[$(concat!($prefix, "_", $name),)*];

            /// What each means, in order.
            pub const MEANINGS: &'static [&'static str] = &[$(concat!($($doc),*),)*];

            /// The counter name.
            #[must_use]
            pub fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }
    };
}

reasons! {
    /// Sent on, and why.
    Forward "forward" {
        /// Client to server, destination rewritten.
        NatRequest "nat_request",
        /// Server to client, source rewritten.
        NatReply "nat_reply",
        /// Client to server, only the MAC changed.
        Dr "dr",
        /// Client to its own destination: the service by mark has no usable server, and `cache_bypass` is on.
        Bypass "bypass",
        /// Client to server, in a tunnel.
        Tun "tun",
        /// An ICMP error about a packet to the client, addresses rewritten, to the server.
        IcmpRequest "icmp_request",
        /// An ICMP error about a packet to the server, addresses rewritten, to the client.
        IcmpReply "icmp_reply",
        /// Belongs to no connection: plain routing.
        Routed "routed",
    }
}

reasons! {
    /// Handed to another worker, which takes it over.
    Handoff "handoff" {
        /// By its addresses and ports it belongs to that worker.
        Landing "landing",
        /// A reply whose connection is on that worker.
        Signpost "signpost",
        /// Finished; that worker has the transmit queue of the interface.
        Transmit "transmit",
    }
}

reasons! {
    /// Handed to control.
    Punt "punt" {
        /// ARP.
        Arp "arp",
        /// Neighbour solicitation or advertisement.
        Neighbor6 "neighbor6",
        /// MLD query.
        GroupQuery "group_query",
    }
}

reasons! {
    /// Used up by an answer of the director's own.
    Answer "answer" {
        /// Echo request to one of our addresses.
        Echo "echo",
        /// TCP segment to a closed port, or of no connection.
        TcpReset "tcp_reset",
        /// SCTP packet to a closed port, or of no association.
        Sctp "sctp",
        /// UDP datagram to a closed port.
        PortUnreachable "port_unreachable",
        /// A protocol that the director does not support.
        ProtocolUnreachable "protocol_unreachable",
        /// A service without a usable server.
        NoServer "no_server",
        /// From a server's port but of no connection, and `nat_icmp_send` is on.
        NoConnection "no_connection",
        /// Time to live ran out.
        TtlExceeded "ttl_exceeded",
        /// No route to the destination.
        NetUnreachable "net_unreachable",
        /// The next hop did not answer ARP, or no route leads to a connection's server.
        HostUnreachable "host_unreachable",
        /// Larger than the next link takes, and not to be fragmented.
        TooBig "too_big",
        /// The first fragment of a packet whose other fragments did not come in time: reassembly timed out.
        ReassemblyTime "reassembly_time",
        /// Options of an IPv4 header, or a field of an IPv6 header, that are wrong: a routing header with segments left, a
        /// jumbo payload, a fragment, not the last, whose length is not a multiple of eight.
        ParameterProblem "parameter_problem",
        /// An unknown IPv6 option that asks for an error to the sender.
        UnknownOption "unknown_option",
        /// An IPv6 extension header that is not accepted there: hop-by-hop options that are not first, AH.
        UnknownHeader "unknown_header",
        /// A strict source route whose next hop is not on a connected link.
        SourceRouteFailed "source_route_failed",
        /// An ICMP error about a tunnel's packet: the client gets an error about its own packet.
        TunnelError "tunnel_error",
    }
}

impl Answer {
    /// Whether it is said in the name of whom the packet was addressed to, rather than of a router. Of a marked packet
    /// that may be another, in whose name nothing is said.
    #[must_use]
    pub fn speaks_for_destination(self) -> bool {
        use Answer::{Echo, NoServer, PortUnreachable, ProtocolUnreachable, Sctp, TcpReset};
        matches!(self, Echo | NoServer | PortUnreachable | ProtocolUnreachable | Sctp | TcpReset)
    }
}

reasons! {
    /// Gone.
    Drop "drop" {
        /// Shorter than an Ethernet header.
        Runt "runt",
        /// Sent to another MAC.
        OtherMac "other_mac",
        /// Neither IP nor ARP.
        EtherType "ethertype",
        /// Its tag is of a VLAN that no interface is on.
        UnknownVlan "unknown_vlan",
        /// It has more than one VLAN tag.
        StackedTags "stacked_tags",
        /// Not an IP packet, or one that ends too early.
        Malformed "malformed",
        /// The IP packet is longer than its frame, and its device takes no longer frames: it lost the end.
        CutByDevice "cut_by_device",
        /// Wrong IP header checksum.
        HeaderChecksum "header_checksum",
        /// An IPv4 source route, and `accept_source_route` is off, or its next hop is the director again.
        SourceRoute "source_route",
        /// IPv6 options that are not well formed, or more than a header may have.
        BadOption "bad_option",
        /// An unknown IPv6 option that asks for the packet to be dropped.
        UnknownOption "unknown_option",
        /// A routing header of IPv6 of a type that is switched off: segment routing, RPL.
        RoutingHeader "routing_header",
        /// Source is the director's own, a multicast or a loopback address.
        Martian "martian",
        /// Multicast or broadcast.
        Group "group",
        /// Transport header missing or cut.
        Transport "transport",
        /// Came in a tunnel with congestion marked, and its sender does not support ECN.
        Congestion "congestion",
        /// Wrong transport checksum on a packet for the director itself, on an ICMP error that it would rewrite, or of an FTP
        /// control connection.
        TransportChecksum "transport_checksum",
        /// A fragment that contradicts the packet's other fragments, or of IPv6 one that is empty or ends within the headers.
        FragmentInvalid "fragment_invalid",
        /// A fragment that overlaps another of its packet, and all fragments of that packet.
        FragmentOverlap "fragment_overlap",
        /// A fragment whose bytes have all come before.
        FragmentDuplicate "fragment_duplicate",
        /// A fragment beyond the end of the largest packet, or all fragments of a packet that would be larger.
        FragmentOversize "fragment_oversize",
        /// Fragments of a packet that has more than 1,366 of them.
        FragmentTooMany "fragment_too_many",
        /// Fragments of an incomplete packet, displaced by others.
        FragmentEvicted "fragment_evicted",
        /// Fragments of a packet that was not complete in time: reassembly timed out.
        FragmentTimeout "fragment_timeout",
        /// Neighbour discovery that is not valid.
        InvalidDiscovery "invalid_discovery",
        /// Router solicitation, router advertisement or redirect: routes are configured.
        RouterDiscovery "router_discovery",
        /// ICMP message for the director that needs no answer.
        Icmp "icmp",
        /// A reset, or an SCTP packet that needs no answer, of no connection.
        StrayReset "stray_reset",
        /// For others, and `ip_forward` is off.
        ForwardingOff "forwarding_off",
        /// Only routed, and its next hop is the neighbour that it came from.
        BackToSender "back_to_sender",
        /// A blackhole route.
        Blackhole "blackhole",
        /// Larger than the next link's MTU, and it would be more fragments than a transmit queue takes, or fragments without data.
        NeedsFragmenting "needs_fragmenting",
        /// The MTU of the next link leaves a tunnel less than the minimum MTU.
        TunnelTooNarrow "tunnel_too_narrow",
        /// Would have started a connection, and `drop_packet` is on.
        Defence "defence",
        /// For a service with the persistence engine sip, and not a SIP message with a Call-ID.
        NoCallId "no_call_id",
        /// The connection's server was removed.
        ServerGone "server_gone",
        /// The connection table is full.
        ConnectionsFull "connections_full",
        /// Of a client that would need a persistence template: there are as many as can be, and none may give way.
        TemplatesFull "templates_full",
        /// Would have opened an FTP control connection, and the table of these is full.
        FtpFull "ftp_full",
        /// It waited for a neighbour that has not answered yet, and a later packet displaced it.
        ParkFull "park_full",
        /// The control thread does not keep up.
        PuntFull "punt_full",
        /// An ICMP error was due but `icmp_rate` or `icmp_target_rate` held it back.
        IcmpLimited "icmp_limited",
        /// It is too large and its sender was to be told, but `path_mtu_rate` held that back.
        PathMtuLimited "path_mtu_limited",
        /// An echo reply was due but `echo_rate` held it back.
        EchoLimited "echo_limited",
        /// A reset was due but `reset_rate` held it back.
        ResetLimited "reset_limited",
        /// An answer, or the fragments of a packet, were due but there was no buffer for them.
        NoBuffer "no_buffer",
        /// Its buffer has no headroom for the headers of a tunnel.
        NoHeadroom "no_headroom",
        /// Its buffer has no tailroom for the longer address of an FTP answer.
        NoTailroom "no_tailroom",
        /// It cannot go on, and no answer may be given: it is an ICMP error, or a fragment but not the first, or there
        /// is no way back.
        Unanswerable "unanswerable",
        /// The transmit queue is full.
        TransmitFull "transmit_full",
        /// The worker it belongs to does not keep up.
        HandoffFull "handoff_full",
        /// A new connection whose replies land on a worker that does not keep up with signposts.
        SignpostFull "signpost_full",
        /// It followed a signpost to a connection that has ended, and would start a new one.
        SignpostStale "signpost_stale",
    }
}

reasons! {
    /// Packets that the director made itself.
    Sent "sent" {
        /// ICMP errors.
        IcmpError "icmp_error",
        /// Echo replies.
        EchoReply "echo_reply",
        /// TCP resets.
        TcpReset "tcp_reset",
        /// SCTP: ABORT, SHUTDOWN COMPLETE.
        Sctp "sctp",
        /// ARP, neighbour discovery and MLD.
        Control "control",
        /// Fragments.
        Fragment "fragment",
        /// Own packets that were lost: no queue, no buffer or no neighbour.
        Lost "lost",
    }
}

/// How a packet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sent on by a port.
    Forward(Forward),
    /// Handed to another worker.
    Handoff(Handoff),
    /// Handed to control.
    Punt(Punt),
    /// Used up by an answer of the director's own.
    Answer(Answer),
    /// Gone.
    Drop(Drop),
}

/// What the counter of a way to end means, in words.
#[must_use]
pub fn meaning(counter: &str) -> Option<&'static str> {
    let groups: [(&[&str], &[&'static str]); 6] = [
        (Forward::NAMES, Forward::MEANINGS),
        (Handoff::NAMES, Handoff::MEANINGS),
        (Punt::NAMES, Punt::MEANINGS),
        (Answer::NAMES, Answer::MEANINGS),
        (Drop::NAMES, Drop::MEANINGS),
        (Sent::NAMES, Sent::MEANINGS),
    ];
    let mut all = groups.into_iter().flat_map(|(names, meanings)| names.iter().zip(meanings));
    all.find(|(name, _)| **name == counter).map(|(_, meaning)| meaning.trim())
}
