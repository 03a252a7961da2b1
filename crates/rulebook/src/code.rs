//! Codes of discrepancies: one enum whose names, descriptions and advice every output shares. Each code is one entry
//! here.

use serde::{Serialize, Serializer};

/// Evidence text of a finding about a log in which nothing is understood.
pub const NO_LOG_LINE: &str = "no step, metric or stop line";

macro_rules! codes {
    ($($variant:ident => $name:literal, $description:literal, $clear:expr;)*) => {
        /// The kind of discrepancy that a finding reports. The names are those of the field's corpus of checked
        /// folders.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $description] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// Returns the published spelling.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// Returns one sentence for people.
            pub fn description(self) -> &'static str {
                match self { $(Code::$variant => $description,)* }
            }

            /// Returns what a participant does to clear a finding with this code.
            pub fn clear(self) -> &'static str {
                match self { $(Code::$variant => $clear,)* }
            }
        }
    };
}

// What several codes ask for.
const SEEDS: &str = "Run the same script with as many distinct seeds as the challenge asks for, and ship every log.";
const PRINT_BYTES: &str =
    "Let the script print model, code and total in bytes (1 MB is 1,000,000), and state those numbers.";
const ONE_SCRIPT: &str =
    "Ship exactly the script that ran, and run all seeds with it; where they differ, say in README.md how.";
const WITHIN_THE_LIMIT: &str = "Run again within the limit, or submit outside the record track and say so.";
const PRINT_IT: &str = "Ship a log in which the script prints it.";
const STATE_THE_MEAN: &str =
    "State the mean of the official metric over the shipped logs, with the digits that they print.";
const STATE_THE_STD: &str = "State the sample standard deviation (divided by n - 1) of the shipped logs' scores.";
const STATE_UNITS: &str = "State val_loss in nats per token and val_bpb in bits per byte of the same evaluation.";
const TRACKS_MACHINE: &str =
    "Time a record on the track's machine, or submit outside the record track; state the machine of the logs.";
const ONE_LOG_A_RUN: &str =
    "Ship one log per run, from its first step to its official score; say in README.md where it is otherwise.";
const SHIP_THE_LEDGER: &str = "Ship the ledger that the run wrote, unedited; caddie reproduce writes it again.";
const NAME_THE_RUN: &str = "Name the run by what its log states, or say in README.md what it is.";
const COPY: &str = "Copy the number from the log, or ship the log that the number is from.";

codes! {
    MissingReadme => "MISSING_README", "The folder holds no README.md.",
        "Add a README.md that explains the submission and states its results.";
    MissingSubmissionJson => "MISSING_SUBMISSION_JSON", "The folder holds no submission.json.",
        "Add a submission.json with the keys that the challenge asks for.";
    MissingTrainScript => "MISSING_TRAIN_SCRIPT", "The folder holds no Python script.",
        "Ship the script that produced the logs, as train_gpt.py.";
    EmptyTrainScript => "EMPTY_TRAIN_SCRIPT", "The script is empty.",
        "Ship the script that produced the logs, as train_gpt.py.";
    MissingFile => "MISSING_FILE", "The folder lacks a file that the challenge asks for.",
        "Add the file; the finding says what it must contain.";
    MissingLog => "MISSING_LOG", "The folder holds no training log.",
        "Add the log that the script wrote for each claimed run, unedited.";
    NonstandardScriptName => "NONSTANDARD_SCRIPT_NAME", "The script is not named train_gpt.py.",
        "Rename the file to the name that the README asks for.";
    NonstandardJsonName => "NONSTANDARD_JSON_NAME", "The metadata file is not named submission.json.",
        "Rename the file to the name that the README asks for.";
    UnreadableFile => "UNREADABLE_FILE", "A file of the folder was not read.",
        "Ship regular files, readable and in UTF-8; replace links by what they point to.";
    JsonInvalid => "JSON_INVALID", "submission.json is not valid JSON.",
        "Correct the JSON at the line shown; NaN, comments and repeated keys are not JSON.";
    JsonMissingField => "JSON_MISSING_FIELD", "A required key of submission.json is missing or empty.",
        "Fill in the key, or remove it where it is optional.";
    JsonNullField => "JSON_NULL_FIELD", "Keys of submission.json are null.",
        "Fill in the key, or remove it where it is optional.";
    JsonNumberAsText => "JSON_NUMBER_AS_TEXT", "Numbers of submission.json are written as text.",
        "Write the numbers without quotes, separators and units.";
    DatesContradict => "DATES_CONTRADICT", "The folder's name and submission.json state different dates.",
        "Correct the date that is wrong: both are the day on which the pull request is made.";
    FileEncoding => "FILE_ENCODING", "A text is not in UTF-8, or begins with a byte order mark.",
        "Save the file as UTF-8 without a byte order mark, for example with `iconv -t UTF-8`.";
    DuplicateLog => "DUPLICATE_LOG", "Two logs are the same bytes; they are one run.",
        "Ship each run once; another name does not make another run.";
    OtherLog => "OTHER_LOG", "A log is not of one of the claimed runs.",
        "Ship the claimed runs' logs, and say in README.md what any other log is.";
    FewerThan3SeedLogs => "FEWER_THAN_3_SEED_LOGS", "There are fewer runs than the significance of a record needs.", SEEDS;
    SameSeedInSeveralLogs => "SAME_SEED_IN_SEVERAL_LOGS", "Several runs have one seed; they are repeats.", SEEDS;
    SeedLabelMismatch => "SEED_LABEL_MISMATCH", "A file or a claim names another seed than its log.",
        "Name the file and the claim by the seed that the log prints.";
    SizeOverCapLogged => "SIZE_OVER_CAP_LOGGED", "A run's logged total is over the cap.",
        "Shrink the model or the code until every seed fits, and run again.";
    SizePartsNeTotal => "SIZE_PARTS_NE_TOTAL", "Model and code do not add up to the total.",
        "State model, code and total of one accounting of one run.";
    SizeNotLogged => "SIZE_NOT_LOGGED", "The counted bytes of a run cannot be derived.", PRINT_BYTES;
    SizeOverCapShipped => "SIZE_OVER_CAP_IF_RAW_SCRIPT_COUNTED",
        "The cap holds as logged, not with the shipped script.",
        "Ship the script in the form whose bytes were counted, so that the total fits as shipped.";
    CodeSizeNeCommitted => "CODE_SIZE_NE_COMMITTED", "The logged code size is not that of the shipped script.",
        ONE_SCRIPT;
    TrainTimeOver600s => "TRAIN_TIME_OVER_600S", "Training took longer than the limit.", WITHIN_THE_LIMIT;
    TrainTimeUnknown => "TRAIN_TIME_UNKNOWN", "The log states no training time.", PRINT_IT;
    EvalTimeOver600s => "EVAL_TIME_OVER_600S", "Evaluation took longer than the limit.", WITHIN_THE_LIMIT;
    EvalTimeUnknown => "EVAL_TIME_UNKNOWN", "The log states no evaluation time for the official score.", PRINT_IT;
    ScoreUnknown => "SCORE_UNKNOWN", "No log states a score of the quantized model.",
        "Score the model reloaded from its compressed file, and ship that log.";
    ClaimNotInLogs => "CLAIM_NOT_IN_LOGS", "The claimed score is in no log.", STATE_THE_MEAN;
    OneLogPerSeed => "ONE_LOG_PER_SEED", "Of several logs of one seed the claim counts one.",
        "Ship one log a seed, or say in the README which one counts and why.";
    JsonScoreNotMean => "JSON_SCORE_NOT_MEAN", "The claimed score is that of one run, not the mean.", STATE_THE_MEAN;
    HeadlineIsOtherMetric => "HEADLINE_IS_OTHER_METRIC", "The claim is another metric than the official one.",
        STATE_THE_MEAN;
    PreQuantScore => "SCORE_IS_PRE_QUANT", "The claimed score is that of the weights before quantization.",
        "Score the model reloaded from its compressed file, and ship that log.";
    FolderNameNeScore => "FOLDER_NAME_NE_SCORE", "The score in the folder's name is not the claimed one.",
        "State in the folder's name the score that submission.json claims, or none.";
    Rounding => "ROUNDING", "The claim is the mean of rounded values.", STATE_THE_MEAN;
    JsonValLossNeLog => "JSON_VAL_LOSS_NE_LOG", "The claimed val_loss is not that of the logs.", STATE_UNITS;
    StdIsPopulation => "STD_IS_POPULATION", "The claimed standard deviation is the population form.", STATE_THE_STD;
    StdMismatch => "STD_MISMATCH", "The claimed standard deviation is not that of the logs.", STATE_THE_STD;
    JsonBytesNeLog => "JSON_BYTES_NE_LOG", "The claimed total bytes are in no log.", COPY;
    JsonBytesNotMax => "JSON_BYTES_NOT_MAX", "The claimed total bytes are not the largest run's.",
        "State the total of the largest run, because the cap holds for each run.";
    JsonCodeBytesNeLog => "JSON_CODE_BYTES_NE_LOG", "The claimed code bytes are not those of the logs.", COPY;
    JsonDiagNeLog => "JSON_DIAG_NE_LOG", "A further score in submission.json is in no log.", COPY;
    JsonModelBytesNeLog => "JSON_MODEL_BYTES_NE_LOG", "The claimed model bytes are not those of the logs.", COPY;
    JsonTimeNeLog => "JSON_TIME_NE_LOG", "A claimed time is not that of the logs.", COPY;
    JsonStepsNeLog => "JSON_STEPS_NE_LOG", "The claimed steps are not those of the logs.", COPY;
    SeedScoreNeLog => "SEED_SCORE_NE_LOG", "A seed's claimed score is not that of its log.", COPY;
    SeedBytesNeLog => "SEED_BYTES_NE_LOG", "A seed's claimed bytes are not those of its log.", COPY;
    SeedStepsNeLog => "SEED_STEPS_NE_LOG", "A seed's claimed steps are not those of its log.", COPY;
    SeedTrainTimeNeLog => "SEED_TRAIN_TIME_NE_LOG", "A seed's claimed training time is not that of its log.", COPY;
    SeedEvalTimeNeLog => "SEED_EVAL_TIME_NE_LOG", "A seed's claimed evaluation time is not that of its log.", COPY;
    SeedWithoutLog => "SEED_WITHOUT_LOG", "A claimed seed has no log.",
        "Add the log that the script wrote for each claimed run, unedited.";
    ReadmeScoreNeLog => "README_SCORE_NE_LOG", "A score in the README's results is not that of the logs.", COPY;
    ReadmeDiagNeLog => "README_DIAG_NE_LOG", "A further score in the README is in no log.", COPY;
    ReadmeStdMismatch => "README_STD_MISMATCH", "The README's standard deviation is not that of the logs.",
        STATE_THE_STD;
    ReadmeBytesNeLog => "README_BYTES_NE_LOG", "Bytes in the README's results are not those of the logs.", COPY;
    ReadmeTimeNeLog => "README_TIME_NE_LOG", "A time in the README's results is not that of the logs.", COPY;
    ReadmeStepsNeLog => "README_STEPS_NE_LOG", "Steps in the README's results are not those of the logs.", COPY;
    RecipeNeLog => "RECIPE_NE_LOG", "recipe.toml is not the recipe that a log embeds.",
        "Ship the recipe that the runs were trained with; the logs embed it.";
    WrongHardware => "WRONG_HARDWARE", "A record's log states another machine than the track's.", TRACKS_MACHINE;
    HardwareUnknown => "HARDWARE_UNKNOWN", "No log states the hardware.", PRINT_IT;
    JsonHardwareNeLog => "JSON_HARDWARE_NE_LOG", "The claimed hardware is not that of the logs.", TRACKS_MACHINE;
    JsonMetricNeLog => "JSON_METRIC_NE_LOG", "The claimed metric is not the one that gives the logs' scores.",
        "Name the metric whose line gives the claimed score.";
    TrackUnknown => "TRACK_UNKNOWN", "The track is not one of the challenge's.",
        "Name one of the challenge's tracks, or leave the key out.";
    CodeDigestMismatch => "CODE_DIGEST_MISMATCH", "The script's SHA-256 is not the one stated.", ONE_SCRIPT;
    ReadmeWithoutResults => "README_WITHOUT_RESULTS", "The README has no results table that can be compared.",
        "Add a table of results with one row per seed.";
    LedgerUnreadable => "LEDGER_UNREADABLE", "A score ledger cannot be read.", SHIP_THE_LEDGER;
    LedgerMissing => "LEDGER_MISSING", "A log names a ledger that the folder does not hold.", SHIP_THE_LEDGER;
    LedgerNeLog => "LEDGER_NE_LOG", "The score recomputed from the ledger is not the log's.", SHIP_THE_LEDGER;
    LedgerDigestMismatch => "LEDGER_DIGEST_MISMATCH", "A ledger's SHA-256 is not the one stated.", SHIP_THE_LEDGER;
    Below0005Nats => "BELOW_0.005_NATS",
        "The improvement is below the README's margin in nats per token.",
        "Improve the score further, or leave it: nothing is wrong in the files, and later records were merged below \
        it.";
    ClaimOnlyInReadme => "CLAIM_ONLY_IN_README", "The score is claimed in README.md alone.", STATE_THE_MEAN;
    ClaimOnlyInTsv => "CLAIM_ONLY_IN_TSV", "The claimed numbers stand in a table of results, not in a log.",
        STATE_THE_MEAN;
    CodeChangedAfterCount => "CODE_CHANGED_AFTER_COUNT", "A packed size was counted of another version of the script.",
        ONE_SCRIPT;
    CodeChangedBetweenSeeds => "CODE_CHANGED_BETWEEN_SEEDS", "The runs count scripts of different sizes.", ONE_SCRIPT;
    CodeChangedDuringRun => "CODE_CHANGED_DURING_RUN", "The script was edited between a run's start and its count.",
        ONE_SCRIPT;
    CodeCountMethod => "CODE_COUNT_METHOD", "Runs of one script count it in different ways.", ONE_SCRIPT;
    ConfigDrift => "CONFIG_DRIFT", "The runs differ in more than their seed.",
        "Run every seed with one configuration, or say in README.md what differs.";
    DoubleRunInLog => "DOUBLE_RUN_IN_LOG", "A log prints one run twice.",
        "Ship each run once; another name does not make another run.";
    EmbeddedSourceEdited => "EMBEDDED_SOURCE_EDITED", "The source dumped into a log cannot have produced the run.",
        ONE_SCRIPT;
    EmbeddedSourceNeLoggedCodeSize => "EMBEDDED_SOURCE_NE_LOGGED_CODE_SIZE",
        "The source dumped into a log has another size than the log counts.",
        ONE_SCRIPT;
    EvalWallOver600s => "EVAL_WALL_OVER_600S_IF_WARMUP_COUNTED",
        "The evaluation is over the limit when warm-up and diagnostics are counted.",
        WITHIN_THE_LIMIT;
    ExternalBinary => "EXTERNAL_BINARY", "The artifact needs a system program.",
        "Declare the program in README.md as a prerequisite of the setup.";
    ExtraFiles => "EXTRA_FILES", "The folder holds files that no total counts.",
        "Remove files that the submission does not need, or say what they are and that they are counted.";
    Independence => "INDEPENDENCE", "The runs are not independent repeats of one script with distinct seeds.", SEEDS;
    JsonBpbLossRatio => "JSON_BPB_LOSS_RATIO", "The ratio of val_bpb to val_loss in submission.json is not that of the logs.",
        STATE_UNITS;
    JsonBytesFormula => "JSON_BYTES_FORMULA", "The claimed total is a sum of parts of different accountings.",
        "State model, code and total of one accounting of one run.";
    JsonBytesRounded => "JSON_BYTES_ROUNDED", "The claimed bytes are rounded.", PRINT_BYTES;
    JsonMsPerStepNeLog => "JSON_MS_PER_STEP_NE_LOG", "A claimed time per step is not that of the logs.", COPY;
    JsonNeReadme => "JSON_NE_README", "submission.json and README.md claim different scores, and no log decides.",
        "State one score in both files, and ship the log that it comes from.";
    JsonValLossIsBpb => "JSON_VAL_LOSS_IS_BPB", "The claimed val_loss is the val_bpb of the logs.", STATE_UNITS;
    LogIsOtherRun => "LOG_IS_OTHER_RUN", "The logs are of other runs than the claimed ones.",
        "Ship the claimed runs' logs, and say in README.md what any other log is.";
    LogLineNotOfScript => "LOG_LINE_NOT_OF_SCRIPT", "A log states values in lines that no print which the scripts can reach makes.",
        "Ship the script that wrote the logs, and every other one whose output is among them; or say in README.md what \
        wrote the lines.";
    LogLabel => "LOG_LABEL", "A log's label does not fit its contents.", NAME_THE_RUN;
    LogNameVsContent => "LOG_NAME_VS_CONTENT", "A log's name says something else than its settings.", NAME_THE_RUN;
    LogTotal => "LOG_TOTAL", "The claimed total is that of another compression than the log's.",
        "State the total that the logs print, or ship a log of the compression that ships.";
    MultiRunLog => "MULTI_RUN_LOG", "A log holds several runs.", ONE_LOG_A_RUN;
    NatsAcrossTokenizers => "NATS_ACROSS_TOKENIZERS", "Nats per token of different tokenizers were compared.",
        "Compare val_bpb across tokenizers; nats per token are comparable within one only.";
    OfficialScoreInSecondLog => "OFFICIAL_SCORE_IN_SECOND_LOG",
        "The claimed score is in another log than the training.",
        ONE_LOG_A_RUN;
    PartialValidation => "PARTIAL_VALIDATION", "The score is of a part of the validation split.",
        "Score the whole validation split.";
    ReadmeIncomplete => "README_INCOMPLETE", "README.md points to a file that is not in the folder.",
        "Add the file, or take the reference out of README.md.";
    ReadmeRunLabel => "README_RUN_LABEL", "README.md gives a run the description of another run.", NAME_THE_RUN;
    ReadmeTableApprox => "README_TABLE_APPROX", "README.md's table holds approximate numbers that are not the logs'.",
        "Copy the numbers from the logs, or say in the table that they are rounded.";
    ResumedRun => "RESUMED_RUN", "A log starts in the middle of a run.", ONE_LOG_A_RUN;
    ScriptIsNotTheRun => "SCRIPT_IS_NOT_THE_RUN", "The shipped script is not the one that the log dumps.", ONE_SCRIPT;
    SelectedSeeds => "SELECTED_SEEDS", "More seeds were run than reported.",
        "Report every seed that was run, or say why one is left out.";
    SizeOnlyInMb => "SIZE_ONLY_IN_MB", "The log states sizes in megabytes only.", PRINT_BYTES;
    StdJson => "STD_JSON", "submission.json's standard deviation is the population form.", STATE_THE_STD;
    TrailingWorseMetric => "TRAILING_WORSE_METRIC", "The log ends with a worse score than the official one.",
        ONE_LOG_A_RUN;
    TrainPlusGptqOver600s => "TRAIN_PLUS_GPTQ_OVER_600S",
        "Training and calibration together took longer than the limit.",
        WITHIN_THE_LIMIT;
    TrainShards => "TRAIN_SHARDS", "The number of training shards is unusual for the tokenizer.",
        "Say in README.md where the training shards come from, and that none holds validation documents.";
    Units => "UNITS", "A size is given in MiB and called MB.", PRINT_BYTES;
    WrongWorldSize => "WRONG_WORLD_SIZE", "A record's log states another number of GPUs than the track's machine has.",
        TRACKS_MACHINE;
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
