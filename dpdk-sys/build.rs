//! Finds DPDK, compiles the shim, lets bindgen read `wrapper.h`, and says what to link.
//!
//! Only the core libraries are linked. Drivers and mempool handlers are plug-ins that the EAL opens at run time from
//! the directory compiled into it, so `--as-needed` has nothing of theirs to throw away.

use std::env;
use std::panic;
use std::path::Path;
use std::process::{Command, exit};

const INSTALL: &str = "install Debian's packages libdpdk-dev, libclang-dev and pkg-config (DPDK 22.11)";

/// Libraries that define the names below.
const LIBRARIES: [&str; 4] = ["rte_ethdev", "rte_mbuf", "rte_mempool", "rte_eal"];

/// Functions that are bound, as one expression.
const FUNCTIONS: &str = "shim_.*|rte_eal_init|rte_eal_cleanup|rte_eal_get_runtime_dir|rte_memseg_contig_walk|rte_strerror|rte_version\
    |rte_thread_register|rte_thread_unregister|fopencookie|fclose|malloc_trim|mallopt|getsockopt|rte_openlog_stream|rte_log_cur_msg_loglevel\
    |rte_dev_probe|rte_dev_remove|rte_pktmbuf_pool_create|rte_pktmbuf_free_bulk\
    |rte_mempool_(free|avail_count|in_use_count|obj_iter)\
    |rte_eth_dev_(configure|start|stop|close|info_get|is_removed|get_port_by_name|socket_id|adjust_nb_rx_tx_desc)\
    |rte_eth_dev_(set_mtu|get_mtu|default_mac_addr_set|rss_reta_update)\
    |rte_eth_[rt]x_queue_setup|rte_eth_macaddr_get|rte_eth_link_get_nowait|rte_eth_find_next|rte_eth_promiscuous_enable\
    |rte_eth_allmulticast_enable|rte_eth_stats_get|rte_eth_xstats_get|rte_eth_xstats_get_names";

/// Constants that are bound.
const CONSTANTS: &str = "SHIM_.*|RTE_PKTMBUF_HEADROOM|RTE_MEMPOOL_CACHE_MAX_SIZE|RTE_MAX_LCORE|RTE_MAX_ETHPORTS|RTE_ETH_NAME_MAX_LEN\
    |RTE_MEMPOOL_NAMESIZE|RTE_LOG_(EMERG|ALERT|CRIT|ERR|WARNING|NOTICE|INFO|DEBUG)|RTE_ETHER_ADDR_LEN\
    |RTE_ETH_RETA_GROUP_SIZE|RTE_ETH_MQ_RX_(NONE|RSS)|RTE_ETH_LINK_(UP|DOWN)|RTE_ETH_SPEED_NUM_UNKNOWN|M_TRIM_THRESHOLD";

/// Types whose insides nobody here needs; their headers are packed or private.
const OPAQUE: [&str; 5] = ["_IO_FILE", "rte_device", "rte_mempool", "rte_mbuf_ext_shared_info", "rte_eth_dev"];

fn main() {
    for path in ["build.rs", "wrapper.h", "shim.c"] {
        println!("cargo::rerun-if-changed={path}");
    }
    for variable in ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "LIBCLANG_PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let (Some(version), Some(cflags), Some(dirs)) =
        (pkg_config(&["--modversion"]), pkg_config(&["--cflags"]), pkg_config(&["--libs-only-L"]))
    else {
        fail(&format!("libdpdk not found: {INSTALL}"));
    };
    if !version.starts_with("22.11") {
        println!("cargo::warning=written for DPDK 22.11, this is {version}");
    }
    // Linker flags ride along in pkg-config's --cflags.
    let flags: Vec<&str> = cflags.split_whitespace().filter(|flag| !flag.starts_with("-Wl,")).collect();

    compile_shim(&flags);
    bind(&flags);

    for dir in dirs.split_whitespace().filter_map(|flag| flag.strip_prefix("-L")) {
        println!("cargo::rustc-link-search=native={dir}");
    }
    for library in LIBRARIES {
        println!("cargo::rustc-link-lib=dylib={library}");
    }
    println!("cargo::metadata=version={version}");
}

/// One line for the reader: cargo fails because of it, and prints a script's whole output only where it exits badly.
fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(0)
}

fn pkg_config(arguments: &[&str]) -> Option<String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    let output = Command::new(program).args(arguments).arg("libdpdk").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn compile_shim(flags: &[&str]) {
    let mut shim = cc::Build::new();
    shim.file("shim.c").opt_level(2);
    for flag in flags {
        shim.flag(flag);
    }
    if let Err(error) = shim.try_compile("dpdk_shim") {
        fail(&format!("shim.c does not compile against this DPDK: {error}"));
    }
}

fn bind(flags: &[&str]) {
    let mut builder = bindgen::Builder::default()
        .header("wrapper.h")
        .clang_args(flags)
        .clang_arg("-D_GNU_SOURCE")
        .allowlist_function(FUNCTIONS)
        .allowlist_var(CONSTANTS)
        .allowlist_type("rte_eth_xstat|rte_eth_xstat_name|tpacket_stats")
        .rust_target(bindgen::RustTarget::stable(85, 0).unwrap_or_default())
        .rust_edition(bindgen::RustEdition::Edition2024)
        .formatter(bindgen::Formatter::None)
        .prepend_enum_name(false)
        .layout_tests(false)
        .derive_debug(false)
        .generate_comments(false);
    for name in OPAQUE {
        builder = builder.opaque_type(name);
    }
    // bindgen panics where libclang is missing; that is a message, not a bug.
    panic::set_hook(Box::new(|_| {}));
    let generated = panic::catch_unwind(panic::AssertUnwindSafe(|| builder.generate()));
    drop(panic::take_hook());
    let bindings = match generated {
        Ok(Ok(bindings)) => bindings,
        Ok(Err(error)) => fail(&format!("bindgen cannot read DPDK's headers: {}", one_line(&error.to_string()))),
        Err(_) => fail(&format!("libclang not found: {INSTALL}")),
    };
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    if let Err(error) = bindings.write_to_file(Path::new(&out).join("dpdk.rs")) {
        fail(&format!("cannot write bindings: {error}"));
    }
}

fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
