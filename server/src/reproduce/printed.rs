//! The numbers that the paper prints: tables 3 to 10, as data. Columns go by data set
//! in the order of [`SETS`], two each: HR and NDCG at the table's k, or the two values
//! that the table compares.

/// Folders of the four data sets, in the order of the tables.
pub(super) const SETS: [&str; 4] = ["ml-1m", "book-crossing", "gowalla", "epinions"];

/// A printed table of methods.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printed {
    /// The name and the figures of each method.
    pub(super) rows: &'static [(&'static str, [f64; 8])],
}

impl Printed {
    /// A method's figure on a data set; `None` where the paper has none.
    pub(super) fn get(&self, method: &str, set: &str, metric: usize) -> Option<f64> {
        let place = SETS.iter().position(|s| *s == set)?;
        let (_, figures) = self.rows.iter().find(|(name, _)| *name == method)?;
        figures.get(2 * place + metric).copied()
    }
}

/// Table 3: all methods, two-tower.
pub(super) const TABLE_3: Printed = Printed {
    rows: &[
        ("RETRAIN", [0.07235, 0.03555, 0.03135, 0.01446, 0.05391, 0.02531, 0.03219, 0.01518]),
        ("MRA", [0.05927, 0.02837, 0.02003, 0.00988, 0.01218, 0.00609, 0.01937, 0.00909]),
        ("ItemC", [0.05977, 0.02934, 0.02481, 0.01230, 0.01736, 0.00874, 0.01991, 0.00904]),
        ("JS_Div", [0.06026, 0.02876, 0.02525, 0.01204, 0.01636, 0.00756, 0.01882, 0.00915]),
        ("Mean", [0.05993, 0.02908, 0.02537, 0.01317, 0.01643, 0.00761, 0.01964, 0.00906]),
        ("GraphEraser", [0.06093, 0.02930, 0.02569, 0.01236, 0.01752, 0.00841, 0.01909, 0.00886]),
        ("RecEraser", [0.05613, 0.02684, 0.01872, 0.00871, 0.02170, 0.01103, 0.02182, 0.00953]),
        ("UltraRE", [0.05894, 0.02863, 0.02481, 0.01294, 0.01652, 0.00789, 0.01909, 0.00896]),
        ("EEMU", [0.06589, 0.03299, 0.03962, 0.01985, 0.05674, 0.02691, 0.02591, 0.01218]),
    ],
};

/// Table 4: the same models at 20.
pub(super) const TABLE_4: Printed = Printed {
    rows: &[
        ("RETRAIN", [0.11738, 0.04738, 0.05877, 0.02067, 0.09162, 0.03713, 0.05728, 0.02220]),
        ("MRA", [0.10050, 0.03900, 0.03222, 0.01218, 0.02086, 0.00746, 0.03573, 0.01291]),
        ("ItemC", [0.10695, 0.04092, 0.03891, 0.01581, 0.02954, 0.01174, 0.03328, 0.01185]),
        ("JS_Div", [0.10629, 0.04038, 0.03962, 0.01668, 0.02804, 0.01004, 0.03464, 0.01211]),
        ("Mean", [0.10679, 0.04041, 0.04052, 0.01693, 0.02870, 0.01070, 0.03544, 0.01261]),
        ("GraphEraser", [0.10695, 0.04031, 0.04049, 0.01643, 0.02887, 0.01104, 0.03519, 0.01210]),
        ("RecEraser", [0.09586, 0.03702, 0.03439, 0.01138, 0.03471, 0.01298, 0.03710, 0.01308]),
        ("UltraRE", [0.10232, 0.03938, 0.04179, 0.01762, 0.02837, 0.01089, 0.03519, 0.01217]),
        ("EEMU", [0.11474, 0.04539, 0.05529, 0.02350, 0.07977, 0.03287, 0.04092, 0.01594]),
    ],
};

/// Table 8: all methods, DeepFM.
pub(super) const TABLE_8: Printed = Printed {
    rows: &[
        ("RETRAIN", [0.06970, 0.03360, 0.02873, 0.01340, 0.05090, 0.02348, 0.03082, 0.01480]),
        ("MRA", [0.06076, 0.02967, 0.01698, 0.00755, 0.00918, 0.00408, 0.01964, 0.00899]),
        ("ItemC", [0.06192, 0.02950, 0.01741, 0.00825, 0.01202, 0.00542, 0.01855, 0.00908]),
        ("JS_Div", [0.06242, 0.02988, 0.01829, 0.00913, 0.01218, 0.00573, 0.01964, 0.00953]),
        ("Mean", [0.06258, 0.02966, 0.01785, 0.00876, 0.01235, 0.00587, 0.02046, 0.00947]),
        ("GraphEraser", [0.06325, 0.02972, 0.01741, 0.00902, 0.01218, 0.00569, 0.02019, 0.00946]),
        ("RecEraser", [0.05795, 0.02819, 0.01959, 0.00965, 0.01986, 0.00897, 0.01882, 0.00875]),
        ("UltraRE", [0.06341, 0.02984, 0.01872, 0.00920, 0.01152, 0.00498, 0.01855, 0.00922]),
        ("EEMU", [0.06490, 0.03199, 0.03396, 0.01756, 0.05189, 0.02426, 0.02319, 0.01236]),
    ],
};

/// Table 9: HR@10 after 5% and 10% of the users were removed.
pub(super) const TABLE_9: Printed = Printed {
    rows: &[
        ("RETRAIN", [0.07235, 0.07114, 0.03108, 0.03103, 0.05371, 0.05334, 0.03209, 0.03163]),
        ("MRA", [0.05877, 0.05856, 0.01989, 0.01980, 0.01216, 0.01194, 0.01929, 0.01906]),
        ("ItemC", [0.05966, 0.05862, 0.02466, 0.02452, 0.01723, 0.01710, 0.01975, 0.01963]),
        ("JS_Div", [0.05985, 0.05934, 0.02524, 0.02492, 0.01636, 0.01606, 0.01879, 0.01860]),
        ("Mean", [0.05950, 0.05884, 0.02531, 0.02487, 0.01636, 0.01612, 0.01945, 0.01925]),
        ("GraphEraser", [0.06074, 0.06013, 0.02561, 0.02520, 0.01745, 0.01724, 0.01899, 0.01872]),
        ("RecEraser", [0.05578, 0.05539, 0.01868, 0.01844, 0.02170, 0.02139, 0.02177, 0.02153]),
        ("UltraRE", [0.05851, 0.05811, 0.02458, 0.02449, 0.01639, 0.01620, 0.01908, 0.01884]),
        ("EEMU", [0.06557, 0.06466, 0.03949, 0.03917, 0.05653, 0.05564, 0.02578, 0.02560]),
    ],
};

/// Table 10: Table 3 with Reptile.
pub(super) const TABLE_10: Printed = Printed {
    rows: &[
        ("RETRAIN", [0.07235, 0.03555, 0.03135, 0.01446, 0.05391, 0.02531, 0.03219, 0.01518]),
        ("MRA", [0.05927, 0.02837, 0.02003, 0.00988, 0.01218, 0.00609, 0.01937, 0.00909]),
        ("ItemC", [0.05977, 0.02934, 0.02481, 0.01230, 0.01736, 0.00874, 0.01991, 0.00904]),
        ("JS_Div", [0.06026, 0.02876, 0.02525, 0.01204, 0.01636, 0.00756, 0.01882, 0.00915]),
        ("Mean", [0.05993, 0.02908, 0.02537, 0.01317, 0.01643, 0.00761, 0.01964, 0.00906]),
        ("GraphEraser", [0.06093, 0.02930, 0.02569, 0.01236, 0.01752, 0.00841, 0.01909, 0.00886]),
        ("RecEraser", [0.05613, 0.02684, 0.01872, 0.00871, 0.02170, 0.01103, 0.02182, 0.00953]),
        ("UltraRE", [0.05894, 0.02863, 0.02481, 0.01294, 0.01652, 0.00789, 0.01909, 0.00896]),
        ("EEMU (Reptile)", [0.06581, 0.03256, 0.03528, 0.01644, 0.05624, 0.02661, 0.02557, 0.01205]),
        ("EEMU (MAML)", [0.06589, 0.03299, 0.03962, 0.01985, 0.05674, 0.02691, 0.02591, 0.01218]),
    ],
};

/// Table 6: HR@10 of each EEMU shard alone, without and with adaptation.
pub(super) const TABLE_6: Printed = Printed {
    rows: &[
        ("Shard 1", [0.03477, 0.0368, 0.01001, 0.01027, 0.01469, 0.01647, 0.01146, 0.01366]),
        ("Shard 2", [0.03626, 0.03818, 0.00871, 0.009, 0.01769, 0.01793, 0.00955, 0.0125]),
        ("Shard 3", [0.03079, 0.03546, 0.01045, 0.01288, 0.02019, 0.021, 0.00682, 0.01054]),
        ("Shard 4", [0.03146, 0.03515, 0.0064, 0.00947, 0.03037, 0.031, 0.00873, 0.01135]),
        ("Shard 5", [0.03642, 0.03966, 0.00653, 0.0109, 0.01235, 0.0155, 0.01037, 0.01396]),
        ("Shard 6", [0.03775, 0.03792, 0.00479, 0.00581, 0.01669, 0.01897, 0.00655, 0.00919]),
        ("Shard 7", [0.03526, 0.03788, 0.00218, 0.00361, 0.01285, 0.01315, 0.00791, 0.00888]),
        ("Shard 8", [0.03013, 0.03241, 0.00784, 0.00899, 0.01469, 0.0176, 0.00846, 0.00885]),
    ],
};

/// Table 7: HR@10 with random and with biased sampling of the adaptation set.
pub(super) const TABLE_7: [[f64; 2]; 4] =
    [[0.06324, 0.06589], [0.03657, 0.03962], [0.05491, 0.05674], [0.02282, 0.02591]];

/// Table 5: GFLOPs per request of Static, GraphEraser, RecEraser, UltraRE and EEMU.
pub(super) const TABLE_5: [[f64; 5]; 4] = [
    [0.5817, 0.5818, 2.6816, 0.5818, 0.5823],
    [0.8224, 0.8225, 3.3733, 0.8225, 0.8231],
    [0.4286, 0.4287, 3.4780, 0.4287, 0.4290],
    [0.3390, 0.3391, 2.1610, 0.3391, 0.3394],
];

/// Figure 3's caption: GFLOPs per epoch of RETRAIN.
pub(super) const FIGURE_3: [f64; 4] = [3378.92, 508.72, 512.52, 288.72];

#[cfg(test)]
mod tests {
    use super::*;

    /// Hits are whole numbers of users, so an error of copying would show: times N, every
    /// HR@10 of Table 3 but two, and of Table 8 but one, is a whole number.
    #[test]
    fn figures_were_copied_right() {
        let users = [6040.0, 2297.0, 5992.0, 3666.0];
        let odd = |table: &Printed| {
            let mut odd = Vec::new();
            for (name, figures) in table.rows {
                for (place, users) in users.iter().enumerate() {
                    let hits: f64 = figures[2 * place] * users;
                    if (hits - hits.round()).abs() > 0.05 {
                        odd.push((*name, SETS[place]));
                    }
                }
            }
            odd
        };
        assert_eq!(odd(&TABLE_3), [("Mean", "book-crossing"), ("Mean", "gowalla")]);
        assert_eq!(odd(&TABLE_8), [("EEMU", "gowalla")]);
        assert_eq!(TABLE_8.get("UltraRE", "epinions", 1), Some(0.00922));
        assert_eq!(TABLE_3.get("EEMU", "gowalla", 1), Some(0.02691));
        assert_eq!(TABLE_3.get("EEMU", "elsewhere", 0), None);
        for set in SETS {
            let biased = TABLE_7[SETS.iter().position(|s| *s == set).unwrap()][1];
            assert_eq!(TABLE_3.get("EEMU", set, 0), Some(biased));
            assert_eq!(TABLE_10.get("EEMU (MAML)", set, 0), Some(biased));
        }
    }
}
