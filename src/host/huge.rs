//! Huge pages: reserved, free, and mounted where DPDK finds them.

use std::fs;

use control::config::{Config, Place};

use super::{MIB, Machine};
use crate::check::Findings;
use crate::plan::MemoryPlan;
use crate::words::Words;

/// The usual size of a huge page.
const USUAL: usize = 2 * MIB;

/// Pages of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pages {
    size: usize,
    reserved: usize,
    free: usize,
}

/// Notes that DPDK finds too few for its packets.
pub(super) fn look(machine: &Machine, config: &Config, plan: &MemoryPlan, lives: bool, findings: &mut Findings) {
    let Ok(words) = Words::read(&config.dataplane.eal) else { return };
    let place = config.dataplane.lines.of("eal");
    // DPDK hands out whole pages.
    let count = plan.in_huge_pages().div_ceil(USUAL) + 4;
    let reserve = format!("reserve enough (sysctl vm.nr_hugepages={count})");
    let mut wrong = |text: &str, advice: &str| complain(findings, &place, plan, text, advice);
    let pages = all(machine);
    if pages.iter().all(|pages| pages.reserved == 0) {
        return wrong("none are reserved", &reserve);
    }
    // In memory it mounts nothing, and elsewhere it looks where it is told to.
    let unmounted = !words.has("--in-memory") && !words.has("--huge-dir");
    let mounted = mounts(machine);
    let found: Vec<Pages> = pages.into_iter().filter(|pages| !unmounted || mounted.contains(&pages.size)).collect();
    if found.iter().all(|pages| pages.reserved == 0) {
        let mount = "mount it (mkdir -p /dev/hugepages; mount -t hugetlbfs nodev /dev/hugepages)";
        return wrong("no hugetlbfs is mounted for those that are reserved", mount);
    }
    let sum = |count: fn(&Pages) -> usize| found.iter().map(|pages| pages.size * count(pages)).sum::<usize>();
    let (reserved, free) = (sum(|pages| pages.reserved), sum(|pages| pages.free));
    if plan.in_huge_pages() > if lives { reserved } else { free } {
        wrong(&format!("{} MiB are reserved, {} MiB of them free", reserved / MIB, free / MIB), &reserve);
    }
}

fn complain(findings: &mut Findings, place: &Place, plan: &MemoryPlan, text: &str, advice: &str) {
    let text = format!(
        "packets need {} MiB of huge pages, and {text}; {advice}, or do without: eal = [\"--no-huge\", \"-m\", \"{}\"]",
        plan.in_huge_pages().div_ceil(MIB),
        plan.least_without_huge_pages(),
    );
    findings.wrong(place, "dataplane.eal", text);
}

/// The pages of every size, as DPDK counts them: those that others have reserved are not free, those that may be made on
/// demand are.
fn all(machine: &Machine) -> Vec<Pages> {
    let sizes = fs::read_dir(machine.path("sys/kernel/mm/hugepages")).into_iter().flatten().flatten();
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let kib: usize = name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let count = |name: &str| machine.number(entry.path().join(name)).unwrap_or(0);
        let on_demand = count("nr_overcommit_hugepages").saturating_sub(count("surplus_hugepages"));
        let free = count("free_hugepages").saturating_sub(count("resv_hugepages"));
        Some(Pages { size: kib << 10, reserved: count("nr_hugepages") + on_demand, free: free + on_demand })
    };
    sizes.filter_map(read).collect()
}

/// Sizes of pages for which a hugetlbfs is mounted.
fn mounts(machine: &Machine) -> Vec<usize> {
    let usual = machine.memory("Hugepagesize").unwrap_or(USUAL);
    let text = machine.text(machine.path("proc/mounts")).unwrap_or_default();
    let size = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, "hugetlbfs", options, ..] = words[..] else { return None };
        let told = options.split(',').find_map(|option| option.strip_prefix("pagesize="));
        Some(told.and_then(bytes).unwrap_or(usual))
    };
    text.lines().filter_map(size).collect()
}

/// `2M`, `1024M` or `1G`.
fn bytes(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<usize>().ok().map(|number| number * unit)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const GOOD: &str =
        "schema = 1\n[dataplane]\nworkers = [1]\n[[interface]]\nname = \"wan\"\ndevice = \"vdev:net_null0\"\n";

    /// A machine with so many pages of 2 MiB, so many of them free.
    fn machine(name: &str, reserved: usize, free: usize, mounts: &str) -> Machine {
        let root = std::env::temp_dir().join(format!("sluice-{}-{name}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a directory");
            fs::write(path, text).expect("a file");
        };
        write("proc/meminfo", "MemTotal: 1000 kB\nHugepagesize: 2048 kB\n");
        write("proc/mounts", mounts);
        for (name, count) in [("nr_hugepages", reserved), ("free_hugepages", free), ("resv_hugepages", 0)] {
            write(&format!("sys/kernel/mm/hugepages/hugepages-2048kB/{name}"), &count.to_string());
        }
        Machine { root, is_up: |_| None }
    }

    fn said(name: &str, pages: [usize; 2], mounts: &str, eal: &str, lives: bool) -> Vec<String> {
        let machine = machine(name, pages[0], pages[1], mounts);
        let text = GOOD.replace("workers", &format!("eal = {eal}\nworkers"));
        let config = control::config::parse(&text, "t.toml").expect("a good file");
        let mut findings = Findings::default();
        look(&machine, &config, &MemoryPlan::of(&config), lives, &mut findings);
        _ = fs::remove_dir_all(&machine.root);
        findings.errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        const MOUNT: &str = "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n";
        let none = said("none", [0, 0], MOUNT, "[]", false);
        assert!(none.len() == 1 && none[0].starts_with("t.toml:3: dataplane.eal: packets need "), "{none:?}");
        assert!(none[0].contains("none are reserved") && none[0].contains("vm.nr_hugepages="), "{none:?}");
        assert!(none[0].contains("--no-huge"), "{none:?}");
        let unmounted = said("unmounted", [500, 500], "proc /proc proc rw 0 0\n", "[]", false);
        assert!(unmounted.len() == 1 && unmounted[0].contains("mount -t hugetlbfs"), "{unmounted:?}");
        let large = said("large", [500, 500], &MOUNT.replace("2M", "1G"), "[]", false);
        assert!(large.len() == 1 && large[0].contains("mount -t hugetlbfs"), "another size: {large:?}");
        let few = said("few", [500, 3], MOUNT, "[]", false);
        assert!(few.len() == 1 && few[0].contains("1000 MiB are reserved, 6 MiB of them free"), "{few:?}");
        assert_eq!(said("beside", [500, 3], MOUNT, "[]", true), Vec::<String>::new(), "a director has them");
        assert_eq!(said("good", [500, 400], MOUNT, "[]", false), Vec::<String>::new());
        assert_eq!(said("usual", [500, 400], &MOUNT.replace(",pagesize=2M", ""), "[]", false), Vec::<String>::new());
        assert_eq!(said("memory", [500, 400], "", "[\"--in-memory\"]", false), Vec::<String>::new());
    }
}
