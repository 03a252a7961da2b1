//! Codes of discrepancies: one enum whose names and descriptions every output shares.

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($variant:ident => $name:literal, $description:literal;)*) => {
        /// What kind of discrepancy a finding is. The names are those of the field's corpus of checked folders.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $description] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The published spelling.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// One sentence for people.
            pub fn description(self) -> &'static str {
                match self { $(Code::$variant => $description,)* }
            }
        }
    };
}

codes! {
    MissingReadme => "MISSING_README", "The folder holds no README.md.";
    MissingSubmissionJson => "MISSING_SUBMISSION_JSON", "The folder holds no submission.json.";
    MissingTrainScript => "MISSING_TRAIN_SCRIPT", "The folder holds no Python script.";
    EmptyTrainScript => "EMPTY_TRAIN_SCRIPT", "The script is empty.";
    MissingLog => "MISSING_LOG", "The folder holds no training log.";
    NonstandardScriptName => "NONSTANDARD_SCRIPT_NAME", "The script is not named train_gpt.py.";
    NonstandardJsonName => "NONSTANDARD_JSON_NAME", "The metadata file is not named submission.json.";
    UnreadableFile => "UNREADABLE_FILE", "A file of the folder was not read.";
    JsonInvalid => "JSON_INVALID", "submission.json is not valid JSON.";
    JsonMissingField => "JSON_MISSING_FIELD", "A required key of submission.json is missing or empty.";
    JsonNullField => "JSON_NULL_FIELD", "Keys of submission.json are null.";
    DuplicateLog => "DUPLICATE_LOG", "Two logs are the same bytes; they are one run.";
    OtherLog => "OTHER_LOG", "A log that is not one of the claimed runs.";
    FewerThan3SeedLogs => "FEWER_THAN_3_SEED_LOGS", "Fewer runs than the significance of a record needs.";
    SameSeedInSeveralLogs => "SAME_SEED_IN_SEVERAL_LOGS", "Several runs have one seed; they are repeats.";
    SeedLabelMismatch => "SEED_LABEL_MISMATCH", "A file or a claim names another seed than its log.";
    SizeOverCapLogged => "SIZE_OVER_CAP_LOGGED", "A run's logged total is over the cap.";
    SizePartsNeTotal => "SIZE_PARTS_NE_TOTAL", "Model and code do not add up to the total.";
    SizeNotLogged => "SIZE_NOT_LOGGED", "The counted bytes of a run cannot be derived.";
    SizeOverCapShipped => "SIZE_OVER_CAP_IF_RAW_SCRIPT_COUNTED", "The cap holds as logged, not with the shipped script.";
    CodeSizeNeCommitted => "CODE_SIZE_NE_COMMITTED", "The logged code size is not that of the shipped script.";
    TrainTimeOver600s => "TRAIN_TIME_OVER_600S", "Training took longer than the limit.";
    TrainTimeUnknown => "TRAIN_TIME_UNKNOWN", "The log states no training time.";
    EvalTimeOver600s => "EVAL_TIME_OVER_600S", "Evaluation took longer than the limit.";
    EvalTimeUnknown => "EVAL_TIME_UNKNOWN", "The log states no evaluation time for the official score.";
    ScoreUnknown => "SCORE_UNKNOWN", "No log states a score of the quantised model.";
    ClaimNotInLogs => "CLAIM_NOT_IN_LOGS", "The claimed score is in no log.";
    JsonScoreNotMean => "JSON_SCORE_NOT_MEAN", "The claimed score is that of one run, not the mean.";
    HeadlineIsOtherMetric => "HEADLINE_IS_OTHER_METRIC", "The claim is another metric than the official one.";
    PreQuantScore => "SCORE_IS_PRE_QUANT", "The claimed score is that of the weights before quantisation.";
    Rounding => "ROUNDING", "The claim is the mean of rounded values.";
    JsonValLossNeLog => "JSON_VAL_LOSS_NE_LOG", "The claimed val_loss is not that of the logs.";
    StdIsPopulation => "STD_IS_POPULATION", "The claimed standard deviation is the population form.";
    StdMismatch => "STD_MISMATCH", "The claimed standard deviation is not that of the logs.";
    JsonBytesNeLog => "JSON_BYTES_NE_LOG", "The claimed total bytes are in no log.";
    JsonBytesNotMax => "JSON_BYTES_NOT_MAX", "The claimed total bytes are not the largest run's.";
    JsonCodeBytesNeLog => "JSON_CODE_BYTES_NE_LOG", "The claimed code bytes are not those of the logs.";
    JsonModelBytesNeLog => "JSON_MODEL_BYTES_NE_LOG", "The claimed model bytes are not those of the logs.";
    JsonTimeNeLog => "JSON_TIME_NE_LOG", "A claimed time is not that of the logs.";
    JsonStepsNeLog => "JSON_STEPS_NE_LOG", "The claimed steps are not those of the logs.";
    SeedScoreNeLog => "SEED_SCORE_NE_LOG", "A seed's claimed score is not that of its log.";
    SeedBytesNeLog => "SEED_BYTES_NE_LOG", "A seed's claimed bytes are not those of its log.";
    SeedStepsNeLog => "SEED_STEPS_NE_LOG", "A seed's claimed steps are not those of its log.";
    SeedTrainTimeNeLog => "SEED_TRAIN_TIME_NE_LOG", "A seed's claimed training time is not that of its log.";
    SeedEvalTimeNeLog => "SEED_EVAL_TIME_NE_LOG", "A seed's claimed evaluation time is not that of its log.";
    SeedWithoutLog => "SEED_WITHOUT_LOG", "A claimed seed has no log.";
    ReadmeScoreNeLog => "README_SCORE_NE_LOG", "A score in the README's results is not that of the logs.";
    ReadmeDiagNeLog => "README_DIAG_NE_LOG", "A further score in the README is in no log.";
    ReadmeStdMismatch => "README_STD_MISMATCH", "The README's standard deviation is not that of the logs.";
    ReadmeBytesNeLog => "README_BYTES_NE_LOG", "Bytes in the README's results are not those of the logs.";
    ReadmeTimeNeLog => "README_TIME_NE_LOG", "A time in the README's results is not that of the logs.";
    ReadmeStepsNeLog => "README_STEPS_NE_LOG", "Steps in the README's results are not those of the logs.";
    RecipeNeLog => "RECIPE_NE_LOG", "recipe.toml is not the recipe that a log embeds.";
    WrongHardware => "WRONG_HARDWARE", "A record's log states another machine than 8 H100 SXM.";
    HardwareUnknown => "HARDWARE_UNKNOWN", "No log states the hardware.";
    JsonHardwareNeLog => "JSON_HARDWARE_NE_LOG", "The claimed hardware is not that of the logs.";
    JsonMetricNeLog => "JSON_METRIC_NE_LOG", "The claimed metric is not the one that gives the logs' scores.";
    TrackUnknown => "TRACK_UNKNOWN", "The track is none of the challenge's.";
    CodeDigestMismatch => "CODE_DIGEST_MISMATCH", "The script's SHA-256 is not the one stated.";
    ReadmeWithoutResults => "README_WITHOUT_RESULTS", "The README has no results table that can be compared.";
    LedgerUnreadable => "LEDGER_UNREADABLE", "A score ledger cannot be read.";
    LedgerMissing => "LEDGER_MISSING", "A log names a ledger that the folder does not hold.";
    LedgerNeLog => "LEDGER_NE_LOG", "The score recomputed from the ledger is not the log's.";
    LedgerDigestMismatch => "LEDGER_DIGEST_MISMATCH", "A ledger's SHA-256 is not the one stated.";
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
