//! How findings are cleared, by code and by rule.

use super::Code;
use caddie_rulebook::Rule;

/// What a participant does about a finding with this code.
pub(super) fn of_code(code: Code) -> &'static str {
    use Code::*;
    match code {
        MissingReadme => "Add a README.md that explains the submission and states its results.",
        MissingSubmissionJson => "Add submission.json with author, github_id, name, date and val_bpb.",
        MissingTrainScript | EmptyTrainScript => "Ship the script that the logs are of, as train_gpt.py.",
        MissingFile => "Add the file; the finding says what it is to hold.",
        MissingLog | SeedWithoutLog => "Add the log that the script wrote for each claimed run, unedited.",
        NonstandardScriptName | NonstandardJsonName => "Rename the file to the name that the README asks for.",
        UnreadableFile => "Ship regular files, readable and in UTF-8; replace links by what they point to.",
        JsonInvalid => "Correct the JSON at the line shown; NaN, comments and repeated keys are not JSON.",
        JsonNumberAsText => "Write the numbers without quotes, separators and units.",
        DatesContradict => "Correct the date that is wrong: both are the day on which the pull request is made.",
        FileEncoding => "Save the file as UTF-8 without a byte order mark, for example with `iconv -t UTF-8`.",
        JsonMissingField | JsonNullField => "Fill in the key, or remove it where it is optional.",
        DuplicateLog | DoubleRunInLog => "Ship each run once; another name does not make another run.",
        OtherLog | LogIsOtherRun => "Ship the claimed runs' logs, and say in README.md what any other log is.",
        FewerThan3SeedLogs | SameSeedInSeveralLogs | Independence => {
            "Run the same script with at least three distinct seeds and ship every log."
        }
        SeedLabelMismatch => "Name the file and the claim by the seed that the log prints.",
        SelectedSeeds => "Report every seed that was run, or say why one is left out.",
        SizeOverCapLogged => "Shrink the model or the code until every seed fits, and run again.",
        SizeOverCapShipped => {
            "Ship the script in the form whose bytes were counted, so that the total fits as shipped."
        }
        SizePartsNeTotal | JsonBytesFormula => "State model, code and total of one accounting of one run.",
        SizeNotLogged | SizeOnlyInMb | Units | JsonBytesRounded => {
            "Let the script print model, code and total in bytes (1 MB is 1,000,000), and state those numbers."
        }
        CodeSizeNeCommitted
        | CodeCountMethod
        | CodeChangedAfterCount
        | CodeChangedBetweenSeeds
        | CodeChangedDuringRun
        | CodeDigestMismatch
        | ScriptIsNotTheRun
        | EmbeddedSourceEdited
        | EmbeddedSourceNeLoggedCodeSize => {
            "Ship exactly the script that ran, and run all seeds with it; where they differ, say in README.md how."
        }
        ExternalBinary => "Declare the program in README.md as a prerequisite of the setup.",
        ExtraFiles => "Remove files that the submission does not need, or say what they are and that they are counted.",
        TrainTimeOver600s | EvalTimeOver600s | TrainPlusGptqOver600s | EvalWallOver600s => {
            "Run again within the limit, or submit outside the record track and say so."
        }
        TrainTimeUnknown | EvalTimeUnknown | HardwareUnknown => "Ship a log in which the script prints it.",
        ScoreUnknown | PreQuantScore => "Score the model reloaded from its compressed file, and ship that log.",
        ClaimNotInLogs | JsonScoreNotMean | HeadlineIsOtherMetric | Rounding | ClaimOnlyInReadme | ClaimOnlyInTsv => {
            "State the mean of the official metric over the shipped logs, with the digits that they print."
        }
        StdIsPopulation | StdMismatch | StdJson | ReadmeStdMismatch => {
            "State the sample standard deviation (divided by n - 1) of the shipped logs' scores."
        }
        JsonBpbLossRatio | JsonValLossIsBpb | JsonValLossNeLog => {
            "State val_loss in nats per token and val_bpb in bits per byte of the same evaluation."
        }
        WrongHardware | WrongWorldSize | JsonHardwareNeLog => {
            "Time a record on the track's machine, or submit outside the record track; state the machine of the logs."
        }
        ConfigDrift => "Run every seed with one configuration, or say in README.md what differs.",
        MultiRunLog | ResumedRun | OfficialScoreInSecondLog | TrailingWorseMetric => {
            "Ship one log a run, from its first step to its official score; say in README.md where it is otherwise."
        }
        PartialValidation => "Score the whole validation split.",
        Below0005Nats => {
            "Improve the score further, or leave it: nothing is wrong in the files, and later records were merged below it."
        }
        NatsAcrossTokenizers => "Compare val_bpb across tokenizers; nats per token are comparable within one only.",
        ReadmeWithoutResults => "Add a table of results with a row a seed.",
        ReadmeIncomplete => "Add the file, or take the reference out of README.md.",
        LedgerUnreadable | LedgerMissing | LedgerNeLog | LedgerDigestMismatch => {
            "Ship the ledger that the run wrote, unedited; caddie reproduce writes it again."
        }
        RecipeNeLog => "Ship the recipe that the runs were trained with; the logs embed it.",
        TrackUnknown => "Name one of the challenge's tracks, or leave the key out.",
        FolderNameNeScore => "State in the folder's name the score that submission.json claims, or none.",
        JsonBytesNotMax => "State the total of the largest run, for the cap holds for each.",
        JsonNeReadme => "State one score in both files, and ship the log that it comes from.",
        JsonMetricNeLog => "Name the metric whose line gives the claimed score.",
        LogLabel | LogNameVsContent | ReadmeRunLabel => {
            "Name the run by what its log states, or say in README.md what it is."
        }
        LogTotal => "State the total that the logs print, or ship a log of the compression that ships.",
        ReadmeTableApprox => "Copy the numbers from the logs, or say in the table that they are rounded.",
        TrainShards => {
            "Say in README.md where the training shards come from, and that none holds validation documents."
        }
        JsonBytesNeLog | JsonCodeBytesNeLog | JsonDiagNeLog | JsonModelBytesNeLog | JsonTimeNeLog | JsonStepsNeLog
        | JsonMsPerStepNeLog | SeedScoreNeLog | SeedBytesNeLog | SeedStepsNeLog | SeedTrainTimeNeLog
        | SeedEvalTimeNeLog | ReadmeScoreNeLog | ReadmeDiagNeLog | ReadmeBytesNeLog | ReadmeTimeNeLog
        | ReadmeStepsNeLog => "Copy the number from the log, or ship the log that the number is from.",
    }
}

/// What a participant does about a finding on this rule.
pub(super) fn of_rule(rule: &Rule) -> String {
    if let Some(clear) = &rule.clear {
        return clear.clone();
    }
    if let Some(text) = of_one_rule(&rule.id) {
        return text.to_owned();
    }
    let family = rule.id.split('-').next().unwrap_or("");
    let text = match family {
        "pkg" | "pr" => "Add or correct the file that the finding names, and run caddie verify again.",
        "size" => "Count code and model as they ship, bring the largest seed under the limit, and state those bytes.",
        "time" => "Run again within the limit on the track's hardware, or submit outside the record track and say so.",
        "stat" => {
            "Add runs with distinct seeds of the one configuration, and state mean and sample std of all of them."
        }
        "score" | "bpb" => "State the official metric of the model reloaded from its file, as the logs print it.",
        "repro" => "Copy the number from the log, or ship the log that the number is from.",
        _ => "Correct what the evidence shows, or explain it in README.md.",
    };
    text.to_owned()
}

/// Where the advice for the whole family would miss the point.
fn of_one_rule(id: &str) -> Option<&'static str> {
    Some(match id {
        "pkg-readme" => "Add a README.md that says what was done and shows its results, seed by seed.",
        "pkg-log" => "Add the log that the script wrote for each claimed run, unedited.",
        "pr-one-new-folder" => "Take every change outside of the one new folder out of the pull request.",
        "pkg-json" => "Add the keys that the finding names to submission.json, as valid JSON.",
        "pkg-log-source-match" => "Ship exactly the script that ran, or say in README.md what was changed afterwards.",
        "pkg-minimal" => "Remove what the submission does not need, or say in README.md what it is for.",
        "pkg-folder-name" => "Rename the folder to YYYY-MM-DD_description.",
        "pkg-record-folder" => "Move the folder into the track that submission.json names, or correct the name.",
        "pkg-run-command" => "Write the command and its environment into README.md as they were used.",
        "pkg-requirements" => "Add a requirements.txt, or say in README.md how the packages are installed.",
        "pkg-no-secrets-paths" => "Replace the secret or path in the files, and revoke the secret: it was published.",
        "pkg-headline" => {
            "State the mean of the official metric over the shipped logs, with the digits that they print."
        }
        "size-tokenizer-free" => "Leave it: the tokenizer is not counted.",
        "size-runtime-payload" => {
            "Count the file with the code, or say in README.md why it is no part of the artifact."
        }
        "size-code-one-file" => "Move the code into train_gpt.py, or count the files that the finding names with it.",
        "size-no-stub" => "Ship the code in train_gpt.py itself, and count that.",
        "size-external-binary" => {
            "Name the program in README.md as a prerequisite, and let the scored script not fetch it."
        }
        "size-claims-agree" => "Copy the bytes of the logs into submission.json and README.md.",
        "size-scored-artifact" => "Score the model reloaded from its compressed file, and ship that log.",
        "time-eval-scope" => "Say in README.md what the evaluation's clock contains, and what the whole took.",
        "time-gptq-train-data" | "time-gptq-reserve" => {
            "Set more time aside for calibration, so that it ends within the training clock, and run again."
        }
        "time-gptq-selfgen" => "Say in README.md how long generation and calibration took after training.",
        "time-nonrecord" => "Say in README.md how long training and evaluation took.",
        "stat-seed-choice" => "Report every seed that was run, or say why one is left out.",
        "stat-margin" => "Improve the score further, or leave it: later records were merged below the margin.",
        "stat-p01" | "stat-frontier-p25" => {
            "Add runs with further seeds of the one configuration; more of them, or less spread, lower p."
        }
        "stat-baseline" => "Compare with the record that the finding names, or say in README.md why with another.",
        "bpb-denominator" | "bpb-leading-space" | "bpb-sidecar" => {
            "Count the UTF-8 bytes of the original text of the validation split, and score again."
        }
        "val-full" => "Score the whole validation split.",
        "val-train-disjoint" => "Say in README.md where the training shards come from.",
        _ => return None,
    })
}
