//! The words of `dataplane.eal`, as DPDK 22.11 reads them (`getopt_long` over its table of options): a wrong one is told with
//! its line, instead of by a page of help.

/// An option, and whether a value belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// Only behind `=`.
    Perhaps,
}

/// Options of two dashes. DPDK takes abbreviations too; they are refused, because others than DPDK read these words.
const LONG: [(&str, Takes); 37] = [
    ("allow", Takes::Value),
    ("base-virtaddr", Takes::Value),
    ("block", Takes::Value),
    ("create-uio-dev", Takes::Nothing),
    ("file-prefix", Takes::Value),
    ("force-max-simd-bitwidth", Takes::Value),
    ("huge-dir", Takes::Value),
    ("huge-unlink", Takes::Perhaps),
    ("huge-worker-stack", Takes::Perhaps),
    ("in-memory", Takes::Nothing),
    ("iova-mode", Takes::Value),
    ("legacy-mem", Takes::Nothing),
    ("log-level", Takes::Value),
    ("main-lcore", Takes::Value),
    ("match-allocations", Takes::Nothing),
    ("mbuf-pool-ops-name", Takes::Value),
    ("no-hpet", Takes::Nothing),
    ("no-huge", Takes::Nothing),
    ("no-pci", Takes::Nothing),
    ("no-shconf", Takes::Nothing),
    ("no-telemetry", Takes::Nothing),
    ("proc-type", Takes::Value),
    ("single-file-segments", Takes::Nothing),
    ("socket-limit", Takes::Value),
    ("socket-mem", Takes::Value),
    ("syslog", Takes::Value),
    ("telemetry", Takes::Nothing),
    ("trace", Takes::Value),
    ("trace-bufsz", Takes::Value),
    ("trace-dir", Takes::Value),
    ("trace-mode", Takes::Value),
    ("vdev", Takes::Value),
    ("vfio-intr", Takes::Value),
    ("vfio-vf-token", Takes::Value),
    ("vmware-tsc-map", Takes::Nothing),
    // Ours: where the main thread runs is told by `main_cpu`.
    ("lcores", Takes::Value),
    ("help", Takes::Nothing),
];
/// Options of a letter.
const SHORT: [(char, Takes); 12] = [
    ('a', Takes::Value),
    ('b', Takes::Value),
    ('c', Takes::Value),
    ('d', Takes::Value),
    ('h', Takes::Nothing),
    ('l', Takes::Value),
    ('m', Takes::Value),
    ('n', Takes::Value),
    ('r', Takes::Value),
    ('s', Takes::Value),
    ('S', Takes::Value),
    ('v', Takes::Nothing),
];
/// Options that say what the director says itself, or that end the program.
const OURS: [&str; 5] = ["-c", "-l", "--lcores", "-h", "--help"];
/// Options of which DPDK takes one only.
const PAIRS: [(&str, &str); 2] = [("--no-huge", "--in-memory"), ("-m", "--socket-mem")];

/// Options and their values, in their order.
#[derive(Debug, Default)]
pub(crate) struct Words(Vec<(String, Option<String>)>);

impl Words {
    /// Reads them.
    ///
    /// # Errors
    /// What DPDK would refuse.
    pub(crate) fn read(words: &[String]) -> Result<Self, String> {
        let mut read = Self::default();
        let mut rest = words.iter().take_while(|word| *word != "--");
        while let Some(word) = rest.next() {
            let Some((name, takes, value)) = option(word)? else { continue };
            let value = match (takes, value) {
                (Takes::Nothing, Some(_)) => return Err(format!("{name} takes no value")),
                (Takes::Value, None) => Some(rest.next().ok_or_else(|| format!("{name} needs a value"))?.clone()),
                (_, value) => value,
            };
            if OURS.contains(&name.as_str()) {
                return Err(format!("{name} is not for this list: CPUs are those of workers and main_cpu"));
            }
            read.0.push((name, value));
        }
        let both = PAIRS.iter().find(|(one, other)| read.has(one) && read.has(other));
        both.map_or(Ok(read), |(one, other)| Err(format!("{one} and {other} exclude each other")))
    }

    /// Whether an option is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// The last value of an option.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(given, _)| given == name)?.1.as_deref()
    }
}

/// The option that a word begins, what it takes, and the value in the same word. What is no option is passed over.
fn option(word: &str) -> Result<Option<(String, Takes, Option<String>)>, String> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
        let known = LONG.iter().find(|(known, _)| *known == name);
        let (_, takes) = known.ok_or_else(|| unknown(&format!("--{name}")))?;
        return Ok(Some((format!("--{name}"), *takes, value)));
    }
    let Some(letter) = word.strip_prefix('-').and_then(|rest| rest.chars().next()) else { return Ok(None) };
    let known = SHORT.iter().find(|(known, _)| *known == letter);
    let (_, takes) = known.ok_or_else(|| unknown(&format!("-{letter}")))?;
    let value = Some(word[1 + letter.len_utf8()..].to_owned()).filter(|value| !value.is_empty());
    Ok(Some((format!("-{letter}"), *takes, value)))
}

fn unknown(name: &str) -> String {
    format!("{name} is no option of DPDK's environment")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Words, String> {
        Words::read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn words_that_dpdk_takes() {
        let words = read(&["--no-huge", "-m", "512", "--file-prefix=a", "stray", "-m64", "--huge-unlink", "--", "--x"]);
        let words = words.expect("right words");
        assert!(words.has("--no-huge") && words.has("--huge-unlink") && !words.has("--x"));
        assert_eq!((words.value("-m"), words.value("--file-prefix")), (Some("64"), Some("a")));
        assert!(!read(&["--file-prefix", "--no-huge"]).expect("a value").has("--no-huge"));
    }

    #[test]
    fn words_that_it_refuses() {
        for (words, part) in [
            (&["--bogus"][..], "--bogus is no option"),
            (&["--no-hug"], "--no-hug is no option"),
            (&["-Z"], "-Z is no option"),
            (&["-m"], "-m needs a value"),
            (&["--file-prefix"], "--file-prefix needs a value"),
            (&["--no-pci=3"], "--no-pci takes no value"),
            (&["-l", "0"], "CPUs are those of workers"),
            (&["--no-huge", "--in-memory"], "exclude each other"),
            (&["-m", "64", "--socket-mem", "64"], "exclude each other"),
        ] {
            let told = read(words).expect_err("refused");
            assert!(told.contains(part), "{words:?}: {told}");
        }
    }
}
