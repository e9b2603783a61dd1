//! How is an explanation told to a person?

use std::fmt::{self, Display, Formatter};

use super::{AspaPart, Explanation, RovPart, ValleyPart};

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "path as read  {}  (nearest AS first)", self.as_path)?;
        match self.origin_as {
            Some(asn) => writeln!(f, "route         {} from AS{asn}\n", self.prefix)?,
            None => writeln!(f, "route         {}, no single origin (AS_SET)\n", self.prefix)?,
        }
        rov(f, &self.rov)?;
        aspa(f, &self.aspa)?;
        valley(f, &self.valley)?;
        match self.bogons.is_empty() {
            true => writeln!(f, "bogons        none")?,
            false => writeln!(f, "bogons")?,
        }
        for bogon in &self.bogons {
            writeln!(f, "              {}: {} ({})", bogon.resource, bogon.name, bogon.rfc)?;
        }
        if !self.notes.is_empty() {
            writeln!(f, "notes")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "              {note}"))
    }
}

fn rov(f: &mut Formatter<'_>, rov: &RovPart) -> fmt::Result {
    writeln!(f, "origin (ROV)  {}", words(rov.state, "give --vrps FILE to validate the origin"))?;
    for vrp in &rov.covering {
        let length = vrp.max_length;
        writeln!(f, "              {} up to /{length} by AS{} ({})", vrp.prefix, vrp.asn, vrp.source)?;
    }
    Ok(())
}

fn aspa(f: &mut Formatter<'_>, aspa: &AspaPart) -> fmt::Result {
    writeln!(f, "path (ASPA)   {}", words(aspa.verdict, "give --aspas FILE to verify the path"))?;
    if let (Some(max_up), Some(min_up), Some(max_down), Some(min_down)) =
        (aspa.max_up_ramp, aspa.min_up_ramp, aspa.max_down_ramp, aspa.min_down_ramp)
    {
        let procedure = aspa.procedure;
        writeln!(
            f,
            "              {procedure} procedure; up-ramp {min_up} to {max_up}, down-ramp {min_down} to {max_down} ASes"
        )?;
    }
    if !aspa.suspects.is_empty() {
        let suspects: Vec<_> = aspa.suspects.iter().map(|asn| format!("AS{asn}")).collect();
        writeln!(f, "              leaked or forged by {}", suspects.join(" or "))?;
    }
    Ok(())
}

fn valley(f: &mut Formatter<'_>, valley: &ValleyPart) -> fmt::Result {
    writeln!(f, "valley-free   {}", words(valley.verdict, "give --relations FILE to look for valleys"))?;
    for v in &valley.violations {
        let kind = v.rfc7908_type;
        writeln!(f, "              AS{} leaked it from AS{} to AS{} (RFC 7908 type {kind})", v.leaker, v.from, v.to)?;
    }
    if valley.unknown_hops > 0 {
        writeln!(f, "              {} hops of unknown relation", valley.unknown_hops)?;
    }
    Ok(())
}

fn words(state: &str, hint: &str) -> String {
    match state {
        "not_evaluated" => format!("not evaluated: {hint}"),
        "not_found" => "not found: no VRP covers the prefix".to_owned(),
        other => other.to_owned(),
    }
}
