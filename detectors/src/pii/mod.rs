//! Personal data: one file for each kind.

pub(crate) mod au_medicare;
pub(crate) mod au_tfn;
pub(crate) mod br_cnpj;
pub(crate) mod br_cpf;
pub(crate) mod ca_sin;
pub(crate) mod check_digits;
pub(crate) mod cn_resident_id;
pub(crate) mod date_of_birth;
pub(crate) mod de_steuer_id;
pub(crate) mod drivers_license;
pub(crate) mod email;
pub(crate) mod es_dni_nie;
pub(crate) mod fr_nir;
pub(crate) mod geo_coordinates;
pub(crate) mod iban;
pub(crate) mod in_aadhaar;
pub(crate) mod in_pan;
pub(crate) mod it_codice_fiscale;
pub(crate) mod mx_curp;
pub(crate) mod nl_bsn;
pub(crate) mod passport;
pub(crate) mod payment_card;
pub(crate) mod person_name;
pub(crate) mod phone;
pub(crate) mod pl_pesel;
pub(crate) mod postal_address;
pub(crate) mod se_personnummer;
pub(crate) mod uk_nino;
pub(crate) mod us_ssn;
pub(crate) mod za_id;

use crate::scan::EntityType;
use crate::scan::near::Near;

/// Reads from the ninth digit of a run: what a number without separators may be is told by its length.
#[inline(never)]
pub(crate) fn digits(near: &Near<'_>) -> Option<(EntityType, usize, usize)> {
    let start = near.after_escape(near.at().checked_sub(8)?);
    let len = near.run_len(start, payment_card::MAX_DIGITS + 1);
    let end = start + len;
    let entity = match len {
        9 if us_ssn::unformatted(near, start) => EntityType::UsSsn,
        9..=12 if phone::unformatted(near, start, end) => EntityType::Phone,
        15 if fr_nir::unformatted(near, start, end) => EntityType::FrNir,
        ..=payment_card::MAX_DIGITS if payment_card::unformatted(near, start, end) => EntityType::PaymentCard,
        _ => return None,
    };
    near.closes(end).then_some((entity, start, end))
}
