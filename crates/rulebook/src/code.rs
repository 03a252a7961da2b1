//! Codes of discrepancies: one enum whose names and descriptions every output shares.

use serde::{Serialize, Serializer};

/// The evidence of a finding about a log in which nothing is understood.
pub const NO_LOG_LINE: &str = "no step, metric or stop line";

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
    MissingFile => "MISSING_FILE", "The folder lacks a file that the challenge asks for.";
    MissingLog => "MISSING_LOG", "The folder holds no training log.";
    NonstandardScriptName => "NONSTANDARD_SCRIPT_NAME", "The script is not named train_gpt.py.";
    NonstandardJsonName => "NONSTANDARD_JSON_NAME", "The metadata file is not named submission.json.";
    UnreadableFile => "UNREADABLE_FILE", "A file of the folder was not read.";
    JsonInvalid => "JSON_INVALID", "submission.json is not valid JSON.";
    JsonMissingField => "JSON_MISSING_FIELD", "A required key of submission.json is missing or empty.";
    JsonNullField => "JSON_NULL_FIELD", "Keys of submission.json are null.";
    JsonNumberAsText => "JSON_NUMBER_AS_TEXT", "Numbers of submission.json are written as text.";
    DatesContradict => "DATES_CONTRADICT", "The folder's name and submission.json state different dates.";
    FileEncoding => "FILE_ENCODING", "A text is not in UTF-8, or begins with a byte order mark.";
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
    FolderNameNeScore => "FOLDER_NAME_NE_SCORE", "The score in the folder's name is not the claimed one.";
    Rounding => "ROUNDING", "The claim is the mean of rounded values.";
    JsonValLossNeLog => "JSON_VAL_LOSS_NE_LOG", "The claimed val_loss is not that of the logs.";
    StdIsPopulation => "STD_IS_POPULATION", "The claimed standard deviation is the population form.";
    StdMismatch => "STD_MISMATCH", "The claimed standard deviation is not that of the logs.";
    JsonBytesNeLog => "JSON_BYTES_NE_LOG", "The claimed total bytes are in no log.";
    JsonBytesNotMax => "JSON_BYTES_NOT_MAX", "The claimed total bytes are not the largest run's.";
    JsonCodeBytesNeLog => "JSON_CODE_BYTES_NE_LOG", "The claimed code bytes are not those of the logs.";
    JsonDiagNeLog => "JSON_DIAG_NE_LOG", "A further score in submission.json is in no log.";
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
    WrongHardware => "WRONG_HARDWARE", "A record's log states another machine than the track's.";
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
    Below0005Nats => "BELOW_0.005_NATS", "The improvement is below the README's margin in nats per token.";
    ClaimOnlyInReadme => "CLAIM_ONLY_IN_README", "The score is claimed in README.md alone.";
    ClaimOnlyInTsv => "CLAIM_ONLY_IN_TSV", "The claimed numbers stand in a table of results, not in a log.";
    CodeChangedAfterCount => "CODE_CHANGED_AFTER_COUNT", "A packed size was counted of another version of the script.";
    CodeChangedBetweenSeeds => "CODE_CHANGED_BETWEEN_SEEDS", "The runs count scripts of different sizes.";
    CodeChangedDuringRun => "CODE_CHANGED_DURING_RUN", "The script was edited between a run's start and its count.";
    CodeCountMethod => "CODE_COUNT_METHOD", "Runs of one script count it in different ways.";
    ConfigDrift => "CONFIG_DRIFT", "The runs differ in more than their seed.";
    DoubleRunInLog => "DOUBLE_RUN_IN_LOG", "A log prints one run twice.";
    EmbeddedSourceEdited => "EMBEDDED_SOURCE_EDITED", "The source dumped into a log cannot have produced the run.";
    EmbeddedSourceNeLoggedCodeSize => "EMBEDDED_SOURCE_NE_LOGGED_CODE_SIZE", "The source dumped into a log has another size than the log counts.";
    EvalWallOver600s => "EVAL_WALL_OVER_600S_IF_WARMUP_COUNTED", "The evaluation is over the limit when warm-up and diagnostics are counted.";
    ExternalBinary => "EXTERNAL_BINARY", "The artifact needs a program of the system.";
    ExtraFiles => "EXTRA_FILES", "The folder holds files that are in no count.";
    Independence => "INDEPENDENCE", "The runs are not independent repeats of one script with distinct seeds.";
    JsonBpbLossRatio => "JSON_BPB_LOSS_RATIO", "val_bpb over val_loss of submission.json is not that of the logs.";
    JsonBytesFormula => "JSON_BYTES_FORMULA", "The claimed total is a sum of parts of different accountings.";
    JsonBytesRounded => "JSON_BYTES_ROUNDED", "The claimed bytes are rounded.";
    JsonMsPerStepNeLog => "JSON_MS_PER_STEP_NE_LOG", "A claimed time a step is not that of the logs.";
    JsonNeReadme => "JSON_NE_README", "submission.json and README.md claim different scores, and no log decides.";
    JsonValLossIsBpb => "JSON_VAL_LOSS_IS_BPB", "The claimed val_loss is the val_bpb of the logs.";
    LogIsOtherRun => "LOG_IS_OTHER_RUN", "The logs are of other runs than the claimed ones.";
    LogLabel => "LOG_LABEL", "A log's label does not fit what it labels.";
    LogNameVsContent => "LOG_NAME_VS_CONTENT", "A log's name says something else than its settings.";
    LogTotal => "LOG_TOTAL", "The claimed total is that of another compression than the log's.";
    MultiRunLog => "MULTI_RUN_LOG", "A log holds several runs.";
    NatsAcrossTokenizers => "NATS_ACROSS_TOKENIZERS", "Nats per token of different tokenizers were compared.";
    OfficialScoreInSecondLog => "OFFICIAL_SCORE_IN_SECOND_LOG", "The claimed score is in another log than the training.";
    PartialValidation => "PARTIAL_VALIDATION", "The score is of a part of the validation split.";
    ReadmeIncomplete => "README_INCOMPLETE", "README.md points to a file that is not in the folder.";
    ReadmeRunLabel => "README_RUN_LABEL", "README.md names a run for what another run is.";
    ReadmeTableApprox => "README_TABLE_APPROX", "README.md's table holds approximate numbers that are not the logs'.";
    ResumedRun => "RESUMED_RUN", "A log starts in the middle of a run.";
    ScriptIsNotTheRun => "SCRIPT_IS_NOT_THE_RUN", "The shipped script is not the one that the log dumps.";
    SelectedSeeds => "SELECTED_SEEDS", "More seeds were run than reported.";
    SizeOnlyInMb => "SIZE_ONLY_IN_MB", "The log states sizes in megabytes only.";
    StdJson => "STD_JSON", "submission.json's standard deviation is the population form.";
    TrailingWorseMetric => "TRAILING_WORSE_METRIC", "The log ends with a worse score than the official one.";
    TrainPlusGptqOver600s => "TRAIN_PLUS_GPTQ_OVER_600S", "Training and calibration together took longer than the limit.";
    TrainShards => "TRAIN_SHARDS", "The number of training shards is unusual for the tokenizer.";
    Units => "UNITS", "A size is given in MiB and called MB.";
    WrongWorldSize => "WRONG_WORLD_SIZE", "A record's log states another number of GPUs than 8.";
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
