//! The figures: `name value unit`, one a line, or one JSON object.

/// Figures in the order in which they are printed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Vec<(&'static str, String, &'static str)>,
}

impl Report {
    /// Adds a whole number.
    pub(crate) fn count(&mut self, name: &'static str, value: u64, unit: &'static str) {
        self.figures.push((name, value.to_string(), unit));
    }

    /// Adds a number with decimals; what cannot be computed is zero.
    pub(crate) fn figure(&mut self, name: &'static str, value: f64, unit: &'static str) {
        let value = if value.is_finite() { value } else { 0.0 };
        self.figures.push((name, format!("{value:.3}"), unit));
    }

    /// As lines.
    pub(crate) fn lines(&self) -> String {
        self.figures.iter().map(|(name, value, unit)| format!("{name} {value} {unit}\n")).collect()
    }

    /// As JSON: names and numbers, which need no quoting.
    pub(crate) fn json(&self) -> String {
        let figures: Vec<String> = self.figures.iter().map(|(name, value, _)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}\n", figures.join(", "))
    }
}
