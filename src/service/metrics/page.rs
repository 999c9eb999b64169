//! The text that Prometheus reads (exposition format 0.0.4).

use std::fmt::Write;

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A page under construction.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins a family: its samples follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
    }

    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{value}\"", if at == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A family of one sample without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, Kind::Gauge, help);
        self.sample(name, &[], value);
    }

    pub fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, Kind::Counter, help);
        self.sample(name, &[], value);
    }

    /// A family with one label, a sample for each of its values.
    pub fn by(&mut self, (name, kind, help): (&str, Kind, &str), label: &str, samples: &[(&str, f64)]) {
        self.family(name, kind, help);
        for (of, value) in samples {
            self.sample(name, &[(label, of)], *value);
        }
    }

    pub fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_as_prometheus_reads_it() {
        let mut page = Page::default();
        page.gauge("a", "One\nline.", 2.0);
        page.by(("b_total", Kind::Counter, "Two."), "of", &[("x\"y", 1.0), ("z", 0.5)]);
        let expected = "# HELP a One\\nline.\n# TYPE a gauge\na 2\n# HELP b_total Two.\n# TYPE b_total counter\n\
                        b_total{of=\"x\\\"y\"} 1\nb_total{of=\"z\"} 0.5\n";
        assert_eq!(page.text(), expected);
    }
}
