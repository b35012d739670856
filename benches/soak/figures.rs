//! What is alive in the gateway at one moment, and whether it has come back to what it was.

use serde::Serialize;

use crate::gateway::{Gateway, told};

/// What has to come back, with the room that each has beside what varied in the base line: of what idles, a few tasks and
/// threads come and go with timers and questions to WhatsApp, and a table that has grown once stays as large.
const COUNTED: [(&str, u64); 6] = [
    ("sessions", 0),
    ("clients", 0),
    ("tasks", 4),
    ("descriptors", 2),
    ("threads", 2),
    ("allocated bytes", 512 << 10),
];

/// What is alive, in the order of [`COUNTED`]; `None` where the program does not tell.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sample {
    counts: [Option<u64>; COUNTED.len()],
    /// Beside the point: memory that was given back stays with the process for a while.
    resident: u64,
}

impl Sample {
    pub(crate) async fn of(gateway: &Gateway) -> Self {
        let figures = gateway.api.metrics().await;
        let usage = gateway.usage().await;
        let sessions = figures.lines().filter(|line| line.starts_with("wharf_sessions{"));
        let sessions = sessions.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        let counts = [
            Some(sessions.sum()),
            told(&figures, "wharf_whatsapp_clients"),
            usage.tasks,
            Some(usage.descriptors),
            Some(usage.threads),
            told(&figures, "wharf_allocated_bytes"),
        ];
        Self { counts, resident: usage.rss }
    }

    pub(crate) fn line(&self) -> String {
        let counts = COUNTED.iter().zip(self.counts);
        let told = counts.map(|((name, _), count)| format!("{} {name}", shown(count)));
        let told: Vec<String> = told.collect();
        format!("{}, {} MB resident", told.join(", "), self.resident >> 20)
    }
}

/// What was alive before, over some time.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BaseLine {
    least: [Option<u64>; COUNTED.len()],
    most: [Option<u64>; COUNTED.len()],
    resident: u64,
}

impl BaseLine {
    pub(crate) fn over(samples: &[Sample]) -> Self {
        let each = |place: usize| samples.iter().filter_map(move |sample| sample.counts[place]);
        Self {
            least: std::array::from_fn(|place| each(place).min()),
            most: std::array::from_fn(|place| each(place).max()),
            resident: samples.iter().map(|sample| sample.resident).max().unwrap_or_default(),
        }
    }

    /// The most that may be left: what there was at most, and once more what varied, or the least room.
    fn allowed(&self, place: usize) -> Option<u64> {
        let (least, most) = (self.least[place]?, self.most[place]?);
        Some(most + (most - least).max(COUNTED[place].1))
    }

    /// The names of what has not come back.
    pub(crate) fn exceeded_by(&self, sample: &Sample) -> Vec<&'static str> {
        let places = COUNTED.iter().enumerate();
        let exceeded =
            places.filter(|(place, _)| match (sample.counts[*place], self.allowed(*place)) {
                (Some(count), Some(allowed)) => count > allowed,
                (count, _) => count.is_some(),
            });
        exceeded.map(|(_, (name, _))| *name).collect()
    }

    /// All in lines: before, what is allowed, and after each phase.
    pub(crate) fn table(&self, phases: &[(&str, Sample)]) -> String {
        let row =
            |name: &str, before: &str, allowed: &str, cell: &dyn Fn(&str, &Sample) -> String| {
                let cells =
                    phases.iter().map(|(phase, sample)| format!("{:>15}", cell(phase, sample)));
                let cells: Vec<String> = cells.collect();
                format!("{name:<18} {before:>24} {allowed:>14} {}", cells.join(" "))
            };
        let mut rows = vec![row("", "before", "allowed", &|phase, _| phase.to_owned())];
        for (place, (name, _)) in COUNTED.iter().enumerate() {
            let before = format!("{}..{}", shown(self.least[place]), shown(self.most[place]));
            let allowed = shown(self.allowed(place));
            rows.push(row(name, &before, &allowed, &|_, sample| shown(sample.counts[place])));
        }
        let resident = self.resident.to_string();
        rows.push(row("resident bytes", &resident, "", &|_, sample| sample.resident.to_string()));
        format!("\n{}\n", rows.join("\n"))
    }
}

fn shown(count: Option<u64>) -> String {
    count.map_or_else(|| "not told".to_owned(), |count| count.to_string())
}
