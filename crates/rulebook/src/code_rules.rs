//! The rules that findings of a code stand on: who says so, and since when, is the rules' to tell.

use crate::{Code, FileKind, Rule, Rulebook};

impl Code {
    /// Returns the rules of a rulebook that findings with this code name. A rulebook of another challenge need not have them.
    pub fn rules(self, book: &Rulebook) -> Vec<&Rule> {
        let kind = self.kind_of_file();
        let demanded = book.files.iter().filter(|file| Some(file.kind) == kind).map(|file| file.rule.as_str());
        let mut ids: Vec<&str> = self.ids().iter().copied().chain(demanded).collect();
        ids.dedup();
        ids.into_iter().filter_map(|id| book.rule(id)).collect()
    }

    /// Returns the kind of required file that the code is about; its rule is where the rulebook demands the file.
    fn kind_of_file(self) -> Option<FileKind> {
        match self {
            Code::MissingReadme => Some(FileKind::Readme),
            Code::MissingSubmissionJson | Code::NonstandardJsonName => Some(FileKind::Metadata),
            Code::MissingLog => Some(FileKind::Log),
            Code::MissingTrainScript | Code::EmptyTrainScript | Code::NonstandardScriptName => Some(FileKind::Script),
            Code::MissingFile => Some(FileKind::File),
            _ => None,
        }
    }

    /// Returns the ids of rules of this challenge; none for a code about a required file.
    fn ids(self) -> &'static [&'static str] {
        match self {
            Code::MissingReadme
            | Code::MissingSubmissionJson
            | Code::MissingTrainScript
            | Code::EmptyTrainScript
            | Code::MissingFile
            | Code::MissingLog
            | Code::NonstandardScriptName
            | Code::NonstandardJsonName => &[],
            Code::UnreadableFile => &["pkg-truncated-folder"],
            Code::JsonInvalid
            | Code::JsonMissingField
            | Code::JsonNullField
            | Code::JsonNumberAsText
            | Code::JsonMetricNeLog
            | Code::TrackUnknown => &["pkg-json"],
            Code::DatesContradict => &["pkg-folder-name"],
            Code::FileEncoding => &["pkg-json", "pkg-log", "pkg-readme"],
            Code::DuplicateLog
            | Code::OtherLog
            | Code::SeedWithoutLog
            | Code::DoubleRunInLog
            | Code::MultiRunLog
            | Code::OfficialScoreInSecondLog
            | Code::ResumedRun => &["pkg-log"],
            Code::FewerThan3SeedLogs | Code::SameSeedInSeveralLogs | Code::ConfigDrift => &["stat-seeds"],
            Code::SeedLabelMismatch => &["stat-seeds", "repro"],
            Code::SizeOverCapLogged => &["size-every-seed", "size-cap-decimal"],
            Code::SizePartsNeTotal => &["size-parts"],
            Code::SizeNotLogged => &["size-cap-decimal", "size-parts"],
            Code::SizeOverCapShipped
            | Code::CodeSizeNeCommitted
            | Code::CodeDigestMismatch
            | Code::CodeChangedAfterCount => &["size-code-representation"],
            Code::TrainTimeOver600s | Code::TrainTimeUnknown => &["time-train-600", "time-nonrecord"],
            Code::EvalTimeOver600s | Code::EvalTimeUnknown => &["time-eval-600", "time-nonrecord"],
            Code::ScoreUnknown => &["size-scored-artifact", "pkg-headline"],
            Code::ClaimNotInLogs
            | Code::OneLogPerSeed
            | Code::FolderNameNeScore
            | Code::ClaimOnlyInReadme
            | Code::ClaimOnlyInTsv
            | Code::JsonNeReadme => &["pkg-headline"],
            Code::JsonScoreNotMean | Code::HeadlineIsOtherMetric | Code::Rounding | Code::TrailingWorseMetric => {
                &["score-metric"]
            }
            Code::PreQuantScore => &["size-scored-artifact"],
            Code::JsonValLossNeLog
            | Code::StdIsPopulation
            | Code::StdMismatch
            | Code::JsonDiagNeLog
            | Code::JsonTimeNeLog
            | Code::JsonStepsNeLog
            | Code::SeedScoreNeLog
            | Code::SeedStepsNeLog
            | Code::SeedTrainTimeNeLog
            | Code::SeedEvalTimeNeLog
            | Code::ReadmeStdMismatch
            | Code::ReadmeTimeNeLog
            | Code::ReadmeStepsNeLog
            | Code::RecipeNeLog
            | Code::JsonHardwareNeLog
            | Code::ReadmeWithoutResults
            | Code::LedgerDigestMismatch
            | Code::CodeChangedBetweenSeeds
            | Code::CodeCountMethod
            | Code::Independence
            | Code::JsonMsPerStepNeLog
            | Code::LogIsOtherRun
            | Code::LogLabel
            | Code::LogNameVsContent
            | Code::ReadmeRunLabel
            | Code::ReadmeTableApprox
            | Code::StdJson => &["repro"],
            Code::JsonBytesNeLog
            | Code::JsonBytesNotMax
            | Code::JsonCodeBytesNeLog
            | Code::JsonModelBytesNeLog
            | Code::SeedBytesNeLog
            | Code::ReadmeBytesNeLog
            | Code::JsonBytesFormula
            | Code::JsonBytesRounded
            | Code::LogTotal
            | Code::Units => &["size-claims-agree"],
            Code::ReadmeScoreNeLog => &["pkg-headline", "repro"],
            Code::ReadmeDiagNeLog => &["repro", "size-claims-agree"],
            Code::WrongHardware | Code::HardwareUnknown | Code::WrongWorldSize => &["time-hw-8xh100-sxm"],
            Code::LedgerUnreadable | Code::LedgerMissing | Code::JsonBpbLossRatio => &["bpb-formula"],
            Code::LedgerNeLog => &["bpb-formula", "repro"],
            Code::Below0005Nats | Code::NatsAcrossTokenizers => &["stat-margin"],
            Code::CodeChangedDuringRun
            | Code::EmbeddedSourceEdited
            | Code::EmbeddedSourceNeLoggedCodeSize
            | Code::LogLineNotOfScript
            | Code::ScriptIsNotTheRun => &["pkg-log-source-match"],
            Code::EvalWallOver600s => &["time-eval-scope"],
            Code::ExternalBinary => &["size-external-binary"],
            Code::ExtraFiles => {
                &["pkg-minimal", "size-code-one-file", "size-no-stub", "size-runtime-payload", "size-tokenizer-free"]
            }
            Code::JsonValLossIsBpb => &["pkg-json", "repro"],
            Code::PartialValidation => &["val-full"],
            Code::ReadmeIncomplete => &["pkg-readme"],
            Code::SelectedSeeds => &["stat-seed-choice"],
            Code::SizeOnlyInMb => &["repro", "size-cap-decimal"],
            Code::TrainPlusGptqOver600s => &["time-gptq-reserve", "time-gptq-selfgen", "time-gptq-train-data"],
            Code::TrainShards => &["val-train-disjoint"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_on_rules_that_there_are() {
        let book = Rulebook::builtin().expect("loads");
        for code in Code::ALL {
            let (rules, ids) = (code.rules(&book), code.ids());
            assert!(ids.iter().all(|id| rules.iter().any(|rule| rule.id == *id)), "{}: {ids:?}", code.name());
            // This challenge demands no file beyond the four kinds.
            assert!(!rules.is_empty() || *code == Code::MissingFile, "{} stands on no rule", code.name());
        }
    }
}
