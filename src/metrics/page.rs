//! How figures are written.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use wharf_storage::Distribution;

/// No labels.
pub(super) const NONE: [(&str, &str); 0] = [];

/// What is being written.
pub(super) struct Page<'a>(DescriptorEncoder<'a>);

/// The labels of a figure, by name.
type Labels<V, const N: usize> = [(&'static str, V); N];

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        self.counters(name, help, [(NONE, count)])
    }

    pub(super) fn counters<const N: usize, V: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        counts: impl IntoIterator<Item = (Labels<V, N>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in counts {
            labelled(&mut family, &labels, |one| ConstCounter::new(count).encode(one))?;
        }
        Ok(())
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        self.gauges(name, help, [(NONE, value)])
    }

    pub(super) fn gauges<const N: usize, V: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<V, N>, usize)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            labelled(&mut family, &labels, |one| ConstGauge::new(value).encode(one))?;
        }
        Ok(())
    }

    /// A gauge that has a unit, or a fraction.
    pub(super) fn value(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: f64,
    ) -> fmt::Result {
        let gauge = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        ConstGauge::new(value).encode(gauge)
    }

    /// A counter that has a unit, or a fraction.
    pub(super) fn total(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: f64,
    ) -> fmt::Result {
        let counter = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        ConstCounter::new(value).encode(counter)
    }

    /// Distributions of microseconds, in seconds.
    pub(super) fn durations<const N: usize, V: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        counted: impl IntoIterator<Item = (Labels<V, N>, Distribution)>,
    ) -> fmt::Result {
        self.histograms(name, help, Some(&Unit::Seconds), 1e6, counted)
    }

    /// Distributions of what is so many to the unit.
    pub(super) fn histograms<const N: usize, V: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        to_unit: f64,
        counted: impl IntoIterator<Item = (Labels<V, N>, Distribution)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for (labels, distribution) in counted {
            let bound =
                |bound: Option<u64>| bound.map_or(f64::INFINITY, |bound| exact(bound) / to_unit);
            let buckets = distribution.buckets.iter().map(|(above, count)| (bound(*above), *count));
            let buckets: Vec<_> = buckets.collect();
            let (sum, count) = (exact(distribution.sum) / to_unit, distribution.count());
            labelled(&mut family, &labels, |mut one| {
                one.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            })?;
        }
        Ok(())
    }
}

/// Writes one figure of a family.
fn labelled<const N: usize, V: AsRef<str>>(
    family: &mut MetricEncoder<'_>,
    labels: &Labels<V, N>,
    write: impl FnOnce(MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    let labels = labels.each_ref().map(|(name, value)| (*name, value.as_ref()));
    write(family.encode_family(&labels)?)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people: beyond 2^53 the last digits do not matter"
)]
pub(super) fn exact(value: u64) -> f64 {
    value as f64
}
