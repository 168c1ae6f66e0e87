//! Turns features into embedding columns, and computes the inner products by
//! which an adapted embedding is read without being stored.
//!
//! Every feature is a linear layer of a one-hot, multi-hot or dense input, so
//! after a gradient step e_u(q) = e(q) - alpha * sum_j <f(q), f(j)> F_j, with
//! <f(q), f(j)> given by [`Feature::overlap`].

use std::sync::Arc;

use crate::data::{Entities, UNKNOWN, Values};
use crate::model::ModelConfig;
use crate::model::kernel::{Share, Table, scatter_rows};
use crate::model::lanes::dot;
use crate::model::parameters::{Declared, Gradient, Parameters, Start};
use crate::model::ranking::Overlap;
use crate::tensor::{Device, Product, Tensor, from_vec, indices};

/// The entity whose features a row reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityRef {
    /// A row of the catalogue.
    Known(u32),
    /// A row of the catalogue whose identifier is treated as unknown.
    Unnamed(u32),
    /// No entity: every feature is unknown.
    Nobody,
}

impl EntityRef {
    fn index(self) -> Option<usize> {
        match self {
            Self::Known(row) | Self::Unnamed(row) => Some(row as usize),
            Self::Nobody => None,
        }
    }
}

#[derive(Debug, Clone)]
enum Kind {
    /// The identifier: the row number itself.
    Identifier { size: usize },
    /// One category for each row.
    Token { values: Vec<u32>, size: usize },
    /// A set of categories for each row; the embedding is the sum of theirs.
    Bag { rows: Vec<Vec<u32>>, size: usize },
    /// Numbers for each row, [rows + 1, width]; the last row is zero, for
    /// `Nobody`.
    Dense { table: Tensor<2>, host: Arc<Vec<f32>>, width: usize },
}

/// A feature of users or of items.
#[derive(Debug, Clone)]
pub(crate) struct Feature {
    kind: Kind,
    /// Whether table row 0 stands for the unknown value.
    unknown_row: bool,
    /// Index of the parameter with the table or weight; a dense feature's bias
    /// follows.
    parameter: usize,
}

/// The features of one side: the identifier, then the catalogue's columns. Each
/// has `width` columns in the embedding.
pub(crate) fn of(
    side: &str,
    entities: &Entities,
    config: &ModelConfig,
    width: usize,
    first: usize,
    device: &Device,
) -> (Vec<Feature>, Vec<Declared>) {
    let mut features = Vec::new();
    let mut declared = Vec::new();
    let mut add = |name: &str, kind: Kind, blank: bool| {
        let unknown_row =
            matches!(kind, Kind::Identifier { .. } | Kind::Token { .. }) && (config.unknown_rows || blank);
        features.push(Feature { unknown_row, parameter: first + declared.len(), kind: kind.clone() });
        let mut declare = |name: String, shape: Vec<usize>, start: Start, first_row_zero: bool| {
            declared.push(Declared { name, shape, start, first_row_zero });
        };
        match kind {
            Kind::Identifier { size } | Kind::Token { size, .. } => declare(
                format!("{side}.{name}.table"),
                vec![size + usize::from(unknown_row), width],
                Start::Normal(config.table_scale),
                unknown_row,
            ),
            // A linear map of a multi-hot input, Xavier normal.
            Kind::Bag { size, .. } => declare(
                format!("{side}.{name}.table"),
                vec![size, width],
                Start::Normal((2.0 / (size + width) as f64).sqrt()),
                false,
            ),
            Kind::Dense { width: inputs, .. } => {
                let bound = 1.0 / (inputs as f64).sqrt();
                declare(format!("{side}.{name}.weight"), vec![inputs, width], Start::Uniform(bound), false);
                declare(format!("{side}.{name}.bias"), vec![width], Start::Uniform(bound), false);
            }
        }
    };
    if config.identifiers {
        add("id", Kind::Identifier { size: entities.len() }, false);
    }
    for column in entities.columns.iter() {
        match &column.values {
            Values::Token { vocabulary, rows } => add(
                &column.name,
                Kind::Token { values: rows.clone(), size: vocabulary.len() },
                entities.had_blanks(&column.name),
            ),
            Values::TokenSeq { vocabulary, rows } => {
                add(&column.name, Kind::Bag { rows: rows.clone(), size: vocabulary.len() }, false);
            }
            Values::Buckets { count, rows, .. } => {
                add(&column.name, Kind::Bag { rows: rows.clone(), size: *count as usize }, false);
            }
            Values::Dense { width, rows } => {
                let mut values = rows.clone();
                values.extend(std::iter::repeat_n(0.0, *width));
                let table = from_vec(values, [entities.len() + 1, *width], device);
                add(&column.name, Kind::Dense { table, host: Arc::new(rows.clone()), width: *width }, false);
            }
        }
    }
    (features, declared)
}

impl Feature {
    /// Whether this feature of the row can be embedded: its value is known, or
    /// the table has a row for unknown values.
    pub(crate) fn takes(&self, row: EntityRef) -> bool {
        match (&self.kind, row) {
            (Kind::Identifier { .. }, EntityRef::Unnamed(_) | EntityRef::Nobody)
            | (Kind::Token { .. }, EntityRef::Nobody) => self.unknown_row,
            (Kind::Token { values, .. }, EntityRef::Known(row) | EntityRef::Unnamed(row)) => {
                self.unknown_row || values[row as usize] != UNKNOWN
            }
            _ => true,
        }
    }

    /// The table row that a token feature reads: row 0 if the value is unknown
    /// and the table has a row for that, otherwise none. A new item may have a
    /// category that the catalogue does not know.
    fn token(&self, row: EntityRef) -> Option<u32> {
        let value = match (&self.kind, row) {
            (Kind::Identifier { .. }, EntityRef::Known(row)) => row,
            (Kind::Token { values, .. }, EntityRef::Known(row) | EntityRef::Unnamed(row)) => values[row as usize],
            _ => UNKNOWN,
        };
        match (value, self.unknown_row) {
            (UNKNOWN, true) => Some(0),
            (UNKNOWN, false) => None,
            _ => Some(value + u32::from(self.unknown_row)),
        }
    }

    fn bag(&self, row: EntityRef) -> &[u32] {
        match (&self.kind, row.index()) {
            (Kind::Bag { rows, .. }, Some(row)) => &rows[row],
            _ => &[],
        }
    }

    fn dense_rows(table: &Tensor<2>, rows: &[EntityRef]) -> Tensor<2> {
        let nobody = table.dims()[0] as u32 - 1;
        let index = indices(rows.iter().map(|r| r.index().map_or(nobody, |r| r as u32)), &table.device());
        table.clone().select(0, index)
    }

    /// Embeds rows: [rows, width].
    pub(crate) fn embed(&self, parameters: &Parameters, rows: &[EntityRef]) -> Tensor<2> {
        let table = parameters.get(self.parameter);
        let device = table.device();
        match &self.kind {
            Kind::Identifier { .. } | Kind::Token { .. } if rows.iter().all(|&row| self.token(row).is_some()) => {
                table.clone().select(0, indices(rows.iter().filter_map(|&row| self.token(row)), &device))
            }
            Kind::Identifier { .. } | Kind::Token { .. } | Kind::Bag { .. } => {
                let mut shares = Vec::with_capacity(rows.len());
                for (to, &row) in (0..).zip(rows) {
                    self.each_read(row, |from| shares.push(Share { from, to, factor: 1.0 }));
                }
                Table { values: table, host: None }.blend(&shares, rows.len())
            }
            Kind::Dense { table: inputs, .. } => {
                Self::dense_rows(inputs, rows).product(table.clone()) + parameters.get(self.parameter + 1).clone()
            }
        }
    }

    /// Adds the gradient of this feature's parameters, given `upstream` [rows,
    /// width], the gradient at the rows' embeddings.
    pub(crate) fn accumulate(&self, gradients: &mut Gradient, rows: &[EntityRef], upstream: Tensor<2>) {
        if let Kind::Dense { table, .. } = &self.kind {
            let inputs = Self::dense_rows(table, rows);
            gradients.put(self.parameter, inputs.transpose().product(upstream.clone()));
            gradients.put(self.parameter + 1, upstream.sum_dim(0));
            return;
        }
        let mut shares = Vec::with_capacity(rows.len());
        for (from, &row) in (0..).zip(rows) {
            self.each_read(row, |to| shares.push(Share { from, to, factor: 1.0 }));
        }
        gradients.put(self.parameter, scatter_rows(upstream, &shares, self.tokens()));
    }

    /// <f(q), f(j)> of one task's rows and step rows, [rows, steps]. Returns
    /// whether any is not zero.
    pub(crate) fn overlap(&self, rows: &[EntityRef], steps: &[EntityRef], overlaps: &mut [f32]) -> bool {
        let mut any = false;
        for (&row, overlaps) in rows.iter().zip(overlaps.chunks_mut(steps.len().max(1))) {
            for (overlap, &step) in overlaps.iter_mut().zip(steps) {
                *overlap = self.shared(row, step);
                any |= *overlap != 0.0;
            }
        }
        any
    }

    fn shared(&self, row: EntityRef, step: EntityRef) -> f32 {
        match &self.kind {
            Kind::Identifier { .. } | Kind::Token { .. } => {
                f32::from(u8::from(self.token(row).is_some_and(|token| self.token(step) == Some(token))))
            }
            Kind::Bag { .. } => {
                let (mut a, mut b) = (self.bag(row), self.bag(step));
                let mut count = 0u32;
                while let (Some(x), Some(y)) = (a.first(), b.first()) {
                    count += u32::from(x == y);
                    if x <= y {
                        a = &a[1..];
                    }
                    if y <= x {
                        b = &b[1..];
                    }
                }
                count as f32
            }
            // Plus 1 for the bias.
            Kind::Dense { host, width, .. } => match (row.index(), step.index()) {
                (Some(a), Some(b)) => 1.0 + dot(&host[a * width..][..*width], &host[b * width..][..*width]),
                _ => 1.0,
            },
        }
    }

    /// The table that rows are read from: the embeddings of a token feature at
    /// theta, the inputs of a dense feature.
    pub(super) fn table<'a>(&'a self, parameters: &'a Parameters) -> Table<'a> {
        match &self.kind {
            Kind::Dense { table, host, .. } => Table { values: table, host: Some(host) },
            _ => Table { values: parameters.get(self.parameter), host: None },
        }
    }

    /// W of a dense feature, [inputs, width]; `None` for the others.
    pub(super) fn dense_weight<'a>(&self, parameters: &'a Parameters) -> Option<&'a Tensor<2>> {
        matches!(self.kind, Kind::Dense { .. }).then(|| parameters.get(self.parameter))
    }

    /// Index of the parameter that holds the table or W.
    pub(super) fn parameter(&self) -> usize {
        self.parameter
    }

    /// The number of rows in the table of a token feature.
    pub(super) fn tokens(&self) -> usize {
        match &self.kind {
            Kind::Identifier { size } | Kind::Token { size, .. } => size + usize::from(self.unknown_row),
            Kind::Bag { size, .. } => *size,
            Kind::Dense { .. } => 0,
        }
    }

    /// Calls `of` with the rows of [`Feature::table`] that a row reads.
    pub(super) fn each_read(&self, row: EntityRef, mut of: impl FnMut(u32)) {
        match &self.kind {
            Kind::Identifier { .. } | Kind::Token { .. } => self.token(row).into_iter().for_each(of),
            Kind::Bag { .. } => self.bag(row).iter().for_each(|&token| of(token)),
            // The inputs of `Nobody` are zero.
            Kind::Dense { .. } => row.index().into_iter().for_each(|item| of(item as u32)),
        }
    }

    /// For each token of a token feature, the items that read it.
    fn readers(&self, items: usize) -> Vec<Vec<u32>> {
        let mut readers = vec![Vec::new(); self.tokens()];
        for item in 0..items as u32 {
            self.each_read(EntityRef::Known(item), |token| readers[token as usize].push(item));
        }
        readers
    }

    /// The inner products of all items with the rows of a step.
    pub(super) fn overlap_with_all(&self, steps: &[EntityRef], users: usize, items: usize) -> Overlap {
        let rows = steps.len() / users;
        if let Kind::Dense { table, width, .. } = &self.kind {
            let own = Self::dense_rows(table, steps).reshape([users, rows, *width]);
            return Overlap::Dense { table: table.clone(), rows: own };
        }
        // Few items share a token, so only those that do are visited.
        let readers = self.readers(items);
        let mut values = vec![0.0; steps.len() * items];
        for (own, values) in steps.chunks(rows.max(1)).zip(values.chunks_mut((items * rows).max(1))) {
            for (place, &step) in own.iter().enumerate() {
                self.each_read(step, |token| {
                    readers[token as usize].iter().for_each(|&item| values[item as usize * rows + place] += 1.0);
                });
            }
        }
        Overlap::Host { values, users, rows, items }
    }
}
