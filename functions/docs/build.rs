//! Packs what the function serves: the description, the page, and of Swagger UI's release the files
//! that the page needs.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

const OWN: [&str; 3] = ["../../docs/openapi.json", "page/index.html", "page/start.js"];
const OF_SWAGGER_UI: [&str; 5] = [
    "dist/swagger-ui-bundle.js",
    "dist/swagger-ui.css",
    "dist/favicon-32x32.png",
    "LICENSE",
    "NOTICE",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    for path in OWN {
        println!("cargo::rerun-if-changed={path}");
        pack(path, &fs::read(path)?)?;
    }
    let mut release = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for index in 0..release.len() {
        let mut file = release.by_index(index)?;
        // Behind the folder that is named by the version.
        let path = file.name()?.split_once('/').map_or("", |(_, path)| path).to_owned();
        if OF_SWAGGER_UI.contains(&path.as_str()) {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            pack(&path, &bytes)?;
        }
    }
    Ok(())
}

fn pack(path: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let packed = PathBuf::from(env::var("OUT_DIR")?).join(format!("{name}.gz"));
    let mut encoder = GzEncoder::new(File::create(packed)?, Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()?;
    Ok(())
}
