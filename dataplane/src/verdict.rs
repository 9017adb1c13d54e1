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
        /// Client to whom it sent to, past a service by mark without a usable server.
        Bypass "bypass",
        /// Client to server, wrapped.
        Tun "tun",
        /// An ICMP error about a packet to the client, its ends rewritten, to the server.
        IcmpRequest "icmp_request",
        /// An ICMP error about a packet to the server, its ends rewritten, to the client.
        IcmpReply "icmp_reply",
        /// Belongs to no connection: plain routing.
        Routed "routed",
    }
}

reasons! {
    /// Handed to another worker, which takes it over.
    Handoff "handoff" {
        /// It belongs there by its addresses and ports.
        Landing "landing",
        /// A reply whose connection is there.
        Signpost "signpost",
        /// Finished; that worker sends by the port.
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
        /// A question which groups somebody listens to.
        GroupQuery "group_query",
    }
}

reasons! {
    /// Used up by an answer of the director's own.
    Answer "answer" {
        /// Echo request to one of our addresses.
        Echo "echo",
        /// TCP segment that nobody expects.
        TcpReset "tcp_reset",
        /// SCTP packet that nobody expects.
        Sctp "sctp",
        /// UDP datagram that nobody expects.
        PortUnreachable "port_unreachable",
        /// A protocol that nobody speaks.
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
        /// The first piece of a packet whose other pieces did not come in time.
        ReassemblyTime "reassembly_time",
        /// Options of an IPv4 header, or a field of an IPv6 header, that are wrong: a routing header with segments left, a
        /// jumbo payload, a piece, not the last, whose length is no multiple of eight.
        ParameterProblem "parameter_problem",
        /// An unknown option of IPv6 that wants its sender told.
        UnknownOption "unknown_option",
        /// An extension header of IPv6 that nobody takes there: hop-by-hop options that do not stand first, AH.
        UnknownHeader "unknown_header",
        /// A strict source route whose next station is not on a link here.
        SourceRouteFailed "source_route_failed",
        /// An ICMP error about a packet around a client's: the client is told of its own.
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
        /// Not an IP packet, or cut.
        Malformed "malformed",
        /// Wrong IP header checksum.
        HeaderChecksum "header_checksum",
        /// An IPv4 source route, and `accept_source_route` is off, or it leads nowhere.
        SourceRoute "source_route",
        /// IPv6 options that are not well formed, or more than a header may have.
        BadOption "bad_option",
        /// An unknown option of IPv6 that wants its packet discarded.
        UnknownOption "unknown_option",
        /// A routing header of IPv6 of a type that is switched off: segment routing, RPL.
        RoutingHeader "routing_header",
        /// Source is ours, a group or a loopback.
        Martian "martian",
        /// Multicast or broadcast.
        Group "group",
        /// Transport header missing or cut.
        Transport "transport",
        /// Was in a tunnel that experienced congestion, which its sender would not understand.
        Congestion "congestion",
        /// Wrong transport checksum on a packet for the director itself, on an ICMP error that it would rewrite, or of an FTP
        /// control connection.
        TransportChecksum "transport_checksum",
        /// A piece that contradicts its packet's other pieces, or of IPv6 one that is empty or ends within the headers.
        FragmentInvalid "fragment_invalid",
        /// A piece that shares bytes with another of its packet, and all of that packet.
        FragmentOverlap "fragment_overlap",
        /// A piece whose bytes have all come before.
        FragmentDuplicate "fragment_duplicate",
        /// A piece beyond the end of the largest packet, or all pieces of a packet that would be larger.
        FragmentOversize "fragment_oversize",
        /// Fragments of a datagram that has more of them than any path makes, the last one included.
        FragmentTooMany "fragment_too_many",
        /// Pieces of an incomplete packet that made room for others.
        FragmentEvicted "fragment_evicted",
        /// Pieces of a packet that did not become whole in time.
        FragmentTimeout "fragment_timeout",
        /// Neighbour discovery that is not valid.
        InvalidDiscovery "invalid_discovery",
        /// Router solicitation, router advertisement or redirect: routes are configured.
        RouterDiscovery "router_discovery",
        /// ICMP message for the director that needs no answer.
        Icmp "icmp",
        /// A reset, or an SCTP packet that asks for no answer, that belongs to nothing.
        StrayReset "stray_reset",
        /// For others, and `ip_forward` is off.
        ForwardingOff "forwarding_off",
        /// Only routed, and its next hop is the neighbour that it came from.
        BackToSender "back_to_sender",
        /// A blackhole route.
        Blackhole "blackhole",
        /// The next link takes less, and there would be more pieces than a port's queue takes, or no room for data.
        NeedsFragmenting "needs_fragmenting",
        /// A tunnel by the next link would take less than any link must.
        TunnelTooNarrow "tunnel_too_narrow",
        /// Would have started a connection, and `drop_packet` is on.
        Defence "defence",
        /// For a service whose clients' calls stay together, and no SIP message with a Call-ID.
        NoCallId "no_call_id",
        /// The connection's server was removed.
        ServerGone "server_gone",
        /// The connection table is full.
        ConnectionsFull "connections_full",
        /// Of a client that would need a persistence template: there are as many as can be, and none may give way.
        TemplatesFull "templates_full",
        /// Would have opened a control connection of FTP, and as many are looked into as can be.
        FtpFull "ftp_full",
        /// It waited for a neighbour that has not answered yet, and a later packet took its place.
        ParkFull "park_full",
        /// Control does not keep up.
        PuntFull "punt_full",
        /// An ICMP error was due but `icmp_rate` or `icmp_target_rate` held it back.
        IcmpLimited "icmp_limited",
        /// It is too large and its sender was to be told, but `path_mtu_rate` held that back.
        PathMtuLimited "path_mtu_limited",
        /// An echo reply was due but `echo_rate` held it back.
        EchoLimited "echo_limited",
        /// A reset was due but `reset_rate` held it back.
        ResetLimited "reset_limited",
        /// An answer, or the pieces of a packet, were due but there was no buffer for them.
        NoBuffer "no_buffer",
        /// Its buffer has no room in front for the headers of a tunnel.
        NoHeadroom "no_headroom",
        /// Its buffer has no room behind for the longer address of an FTP answer.
        NoTailroom "no_tailroom",
        /// It cannot go on, and no answer may be given: it is an ICMP error, or a fragment but not the first, or there
        /// is no way back.
        Unanswerable "unanswerable",
        /// The device took no more.
        TransmitFull "transmit_full",
        /// The worker it belongs to does not keep up.
        HandoffFull "handoff_full",
        /// A new connection whose replies land on a worker that does not keep up with signposts.
        SignpostFull "signpost_full",
        /// It followed a signpost to a connection that is over, and would start a new one.
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
        /// Frames of control: ARP, neighbour discovery.
        Control "control",
        /// Pieces of packets that were fragmented.
        Fragment "fragment",
        /// Own packets that found no queue or no neighbour.
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
