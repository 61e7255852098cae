//! What the upstream sends, read strictly: unknown members are fine, a missing or ill-typed one is
//! a fault with its JSON Pointer. Outages are read while they stream, element by element, so that
//! a list of any length needs the memory of its longest element.

use std::fmt;

use jiter::{Jiter, JiterError, Peek};

use crate::moment::Moment;
use crate::outage::{Device, Devices, Payload, Since};

/// An outage is some 130 bytes; what is longer than this is none.
const LONGEST_ELEMENT: usize = 1024 * 1024;

/// What is wrong with an answer. Nothing of the answer itself is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub pointer: String,
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "the body" } else { &self.pointer };
        write!(f, "{place} {}", self.what)
    }
}

const NOT_JSON: &str = "is not JSON";
const TWICE: &str = "is given twice";
const MISSING: &str = "is missing";
const NOT_TEXT: &str = "must be a string";
const NOT_A_TIME: &str = "must be an RFC 3339 time with an offset";

/// Why an object could not be read.
enum Stop {
    /// It is broken, or goes on behind what is there.
    Broken,
    Wrong(&'static str, &'static str),
}

impl From<JiterError> for Stop {
    fn from(_: JiterError) -> Self {
        Self::Broken
    }
}

/// Keeps of a list of outages those that begin in time and belong to devices, as it comes in.
pub struct Filter<'a> {
    devices: &'a Devices,
    since: Since<'a>,
    /// What has come in and isn't read.
    buffer: Vec<u8>,
    /// So much has to be there before it is tried again.
    wanted: usize,
    place: Place,
    outages: u64,
    payloads: Vec<Payload>,
    outage: Outage,
    tape: Vec<u8>,
}

/// What is expected next.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    List,
    FirstOrEnd,
    Element,
    CommaOrEnd,
    Nothing,
}

/// One outage, in buffers that serve again for the next.
#[derive(Default)]
struct Outage {
    id: String,
    begin: String,
    end: String,
}

/// What a list of outages came to.
pub struct Filtered {
    pub outages: u64,
    /// By the numbers of the sites.
    pub payloads: Vec<Payload>,
}

impl<'a> Filter<'a> {
    pub fn new(devices: &'a Devices, since: Since<'a>) -> Self {
        Self {
            devices,
            since,
            buffer: Vec::new(),
            wanted: 0,
            place: Place::List,
            outages: 0,
            payloads: devices.nothing(),
            outage: Outage::default(),
            tape: Vec::new(),
        }
    }

    /// Reads on.
    pub fn take(&mut self, chunk: &[u8]) -> Result<(), Fault> {
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() < self.wanted {
            return Ok(());
        }
        self.read(false)
    }

    /// Ends the list.
    pub fn finish(mut self) -> Result<Filtered, Fault> {
        self.read(true)?;
        if self.place != Place::Nothing {
            return Err(Fault { pointer: String::new(), what: "ends too early" });
        }
        Ok(Filtered { outages: self.outages, payloads: self.payloads })
    }

    /// Reads what can be read of what is there.
    fn read(&mut self, is_all: bool) -> Result<(), Fault> {
        let buffer = std::mem::take(&mut self.buffer);
        let mut at = 0;
        while let Some(rest) = buffer.get(at..) {
            let space = rest.iter().take_while(|b| b" \t\r\n".contains(b)).count();
            at += space;
            let Some(rest @ [byte, ..]) = rest.get(space..) else { break };
            let number = self.outages;
            let here = || format!("/{number}");
            self.place = match (self.place, byte) {
                (Place::List, b'[') => Place::FirstOrEnd,
                (Place::List, byte) => {
                    let what = if begins(*byte) { "must be an array" } else { NOT_JSON };
                    return Err(Fault { pointer: String::new(), what });
                }
                (Place::FirstOrEnd | Place::CommaOrEnd, b']') => Place::Nothing,
                (Place::CommaOrEnd, b',') => Place::Element,
                (Place::FirstOrEnd | Place::Element, b'{') => match self.element(rest) {
                    Ok(read) => {
                        at += read;
                        self.outages += 1;
                        self.place = Place::CommaOrEnd;
                        continue;
                    }
                    Err(Stop::Wrong(member, what)) => {
                        let pointer = format!("/{number}{member}");
                        return Err(Fault { pointer, what });
                    }
                    Err(Stop::Broken) if is_all => {
                        return Err(Fault { pointer: here(), what: NOT_JSON });
                    }
                    Err(Stop::Broken) if rest.len() > LONGEST_ELEMENT => {
                        let what = "is not JSON, or longer than 1 MiB";
                        return Err(Fault { pointer: here(), what });
                    }
                    Err(Stop::Broken) => {
                        // Twice as much the next time: no byte is read more than a few times.
                        self.wanted = rest.len() * 2;
                        self.buffer = rest.to_vec();
                        return Ok(());
                    }
                },
                (Place::FirstOrEnd | Place::Element, byte) => {
                    let what = if begins(*byte) { "must be an object" } else { NOT_JSON };
                    return Err(Fault { pointer: here(), what });
                }
                (Place::CommaOrEnd | Place::Nothing, _) => {
                    return Err(Fault { pointer: String::new(), what: NOT_JSON });
                }
            };
            at += 1;
        }
        self.wanted = 0;
        // What was allocated for one chunk serves for the next.
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    /// Reads one outage: its length.
    fn element(&mut self, json: &[u8]) -> Result<usize, Stop> {
        let mut reader = Jiter::with_tape(json, std::mem::take(&mut self.tape));
        read_outage(&mut reader, &mut self.outage)?;
        let length = reader.current_index();
        // Strings that are skipped aren't looked into.
        std::str::from_utf8(reader.slice_to_current(0)).map_err(|_| Stop::Broken)?;
        self.tape = reader.into_tape();
        let Outage { id, begin, end } = &self.outage;
        let moment = Moment::parse(begin).ok_or(Stop::Wrong("/begin", NOT_A_TIME))?;
        Moment::parse(end).ok_or(Stop::Wrong("/end", NOT_A_TIME))?;
        if self.since.keeps(moment) {
            self.devices.join(id, begin, end, &mut self.payloads);
        }
        Ok(length)
    }
}

/// Whether a JSON value can begin so.
fn begins(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
}

fn read_outage(json: &mut Jiter, outage: &mut Outage) -> Result<(), Stop> {
    let Outage { id, begin, end } = outage;
    let mut members =
        [("id", "/id", id, false), ("begin", "/begin", begin, false), ("end", "/end", end, false)];
    let mut name = json.next_object()?;
    while let Some(given) = name {
        let known = members.iter_mut().find(|(name, ..)| *name == given);
        match known {
            Some((_, pointer, value, seen)) => {
                text(json, pointer, value, seen)?;
            }
            None => json.next_skip()?,
        }
        name = json.next_key()?;
    }
    for (_, pointer, value, seen) in &members {
        if !seen {
            return Err(Stop::Wrong(pointer, MISSING));
        }
        if *pointer == "/id" && value.is_empty() {
            return Err(Stop::Wrong(pointer, "must not be empty"));
        }
    }
    Ok(())
}

/// Reads a string that may be given once.
fn text(
    json: &mut Jiter,
    pointer: &'static str,
    value: &mut String,
    seen: &mut bool,
) -> Result<(), Stop> {
    match json.peek()? {
        _ if *seen => Err(Stop::Wrong(pointer, TWICE)),
        Peek::String => {
            value.clear();
            value.push_str(json.known_str()?);
            *seen = true;
            Ok(())
        }
        _ => Err(Stop::Wrong(pointer, NOT_TEXT)),
    }
}

/// Reads a site's `{"id", "name", "devices": [{"id", "name"}]}`.
pub fn devices(json: &[u8]) -> Result<Vec<Device>, Fault> {
    let fault = |pointer: &str, what| Fault { pointer: pointer.to_owned(), what };
    std::str::from_utf8(json).map_err(|_| fault("", "is not UTF-8"))?;
    let mut devices = Vec::new();
    read_site(json, &mut devices).map_err(|(index, stop)| match (index, stop) {
        (None, Stop::Wrong(pointer, what)) => fault(pointer, what),
        (None, Stop::Broken) => fault("", NOT_JSON),
        (Some(index), Stop::Wrong(pointer, what)) => {
            fault(&format!("/devices/{index}{pointer}"), what)
        }
        (Some(index), Stop::Broken) => fault(&format!("/devices/{index}"), NOT_JSON),
    })?;
    Ok(devices)
}

/// What is wrong, and with which device.
type Misread = (Option<usize>, Stop);

fn read_site(bytes: &[u8], devices: &mut Vec<Device>) -> Result<(), Misread> {
    let outside = |stop: Stop| (None, stop);
    let broken = |_: JiterError| (None, Stop::Broken);
    let mut json = Jiter::new(bytes);
    let (mut id, mut name, mut has_devices) = (false, false, false);
    let mut value = String::new();
    if json.peek().map_err(broken)? != Peek::Object {
        let is_json = json.next_skip().and_then(|()| json.finish()).is_ok();
        let what = if is_json { Stop::Wrong("", "must be an object") } else { Stop::Broken };
        return Err(outside(what));
    }
    let mut member = json.known_object().map_err(broken)?;
    while let Some(given) = member {
        match given {
            "id" => text(&mut json, "/id", &mut value, &mut id).map_err(outside)?,
            "name" => text(&mut json, "/name", &mut value, &mut name).map_err(outside)?,
            "devices" if has_devices => return Err(outside(Stop::Wrong("/devices", TWICE))),
            "devices" => {
                has_devices = true;
                read_devices(&mut json, devices)?;
            }
            _ => json.next_skip().map_err(broken)?,
        }
        member = json.next_key().map_err(broken)?;
    }
    json.finish().map_err(broken)?;
    for (has, pointer) in [(id, "/id"), (name, "/name"), (has_devices, "/devices")] {
        if !has {
            return Err(outside(Stop::Wrong(pointer, MISSING)));
        }
    }
    Ok(())
}

fn read_devices(json: &mut Jiter, devices: &mut Vec<Device>) -> Result<(), Misread> {
    let broken = |_: JiterError| (None, Stop::Broken);
    if json.peek().map_err(broken)? != Peek::Array {
        return Err((None, Stop::Wrong("/devices", "must be an array")));
    }
    let mut element = json.known_array().map_err(broken)?;
    while let Some(kind) = element {
        let index = Some(devices.len());
        if kind != Peek::Object {
            return Err((index, Stop::Wrong("", "must be an object")));
        }
        devices.push(read_device(json).map_err(|stop| (index, stop))?);
        element = json.array_step().map_err(broken)?;
    }
    Ok(())
}

fn read_device(json: &mut Jiter) -> Result<Device, Stop> {
    let mut device = Device { id: String::new(), name: String::new() };
    let (mut id, mut name) = (false, false);
    let mut member = json.known_object()?;
    while let Some(given) = member {
        match given {
            "id" => text(json, "/id", &mut device.id, &mut id)?,
            "name" => text(json, "/name", &mut device.name, &mut name)?,
            _ => json.next_skip()?,
        }
        member = json.next_key()?;
    }
    match (id, name) {
        (false, _) => Err(Stop::Wrong("/id", MISSING)),
        (true, false) => Err(Stop::Wrong("/name", MISSING)),
        (true, true) => Ok(device),
    }
}
