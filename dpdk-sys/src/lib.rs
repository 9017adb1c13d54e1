//! Raw names of DPDK 22.11: what bindgen makes of `wrapper.h`, and the inline functions that `shim.c` turns into
//! symbols. No logic, no safety: the only user is the appliance's `src/dpdk/`.

#![allow(missing_docs, unsafe_code, unreachable_pub)]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks, unnecessary_transmutes)]
#![allow(rustdoc::all)]

include!(concat!(env!("OUT_DIR"), "/dpdk.rs"));
