//! What the service says: for those who record their own.

use super::args::SpeechCommand;
use super::show;
use crate::audio::prompt::write_wav;
use crate::audio::speech::{Clip, Voices, spoken};
use crate::base::Language;
use anyhow::{Context, anyhow, bail};
use serde_json::json;
use std::path::Path;

pub fn run(command: SpeechCommand) -> anyhow::Result<()> {
    match command {
        SpeechCommand::List { language, json } => list(named(&language)?, json),
        SpeechCommand::Export { folder, language } => {
            let languages = match language {
                Some(language) => vec![named(&language)?],
                None => Language::ALL.to_vec(),
            };
            export(&folder, &languages)
        }
    }
}

fn named(text: &str) -> anyhow::Result<Language> {
    let found = Language::ALL.into_iter().find(|language| language.as_str() == text);
    found.ok_or_else(|| anyhow!("{text} is not spoken here: write en, de, fr or es"))
}

fn list(language: Language, json: bool) -> anyhow::Result<()> {
    if json {
        let clips: Vec<_> = spoken(language).map(|(name, text)| json!({ "name": name, "text": text })).collect();
        let all = json!({ "language": language.as_str(), "clips": clips });
        say!("{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(());
    }
    let mut table = show::table(&["name", "text"]);
    for (name, text) in spoken(language) {
        table.add_row([name, text]);
    }
    say!("{table}")?;
    Ok(())
}

/// Nothing that is there is overwritten.
fn export(folder: &Path, languages: &[Language]) -> anyhow::Result<()> {
    let voices = Voices::default();
    for language in languages {
        let folder = folder.join(language.as_str());
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for clip in Clip::all() {
            let path = folder.join(format!("{clip}.wav"));
            if path.exists() {
                bail!("{} is there already: name another folder, or move it away", path.display());
            }
            let wav = write_wav(&voices.pcm(*language, clip));
            std::fs::write(&path, wav).with_context(|| path.display().to_string())?;
        }
        say!("{} clips are in {}.", Clip::all().len(), folder.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::voices;

    #[test]
    fn what_is_written_can_be_named_as_the_folder_of_prompts_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        export(folder.path(), &[Language::French]).unwrap();
        let voices = voices::load(Some(folder.path())).unwrap();
        for clip in [Clip::Number(80), Clip::Day(1)] {
            assert_eq!(voices.pcm(Language::French, clip), Voices::default().pcm(Language::French, clip));
        }
        let again = export(folder.path(), &[Language::French]).unwrap_err().to_string();
        assert!(again.contains("is there already"), "{again}");
        assert!(named("it").is_err());
    }
}
