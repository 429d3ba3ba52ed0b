//! What the name of a value says about it: `cardNumber`, `order_id`, "SSN on file".
//!
//! Names are taken apart into words at underscores, dashes, spaces and humps of camel case, and compared without case.
//! The words are those that programs and people use for the thing, in the languages APIs are written in most.

/// What a name says, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning(u16);

impl Meaning {
    /// A payment card number.
    pub(crate) const CARD: Self = Self(1);
    /// A telephone number.
    pub(crate) const PHONE: Self = Self(1 << 1);
    /// A US social security number.
    pub(crate) const SSN: Self = Self(1 << 2);
    /// A bank account number.
    pub(crate) const IBAN: Self = Self(1 << 3);
    /// An e-mail address.
    pub(crate) const EMAIL: Self = Self(1 << 4);
    /// A number that is given out or counted: an order, a tracking number, a time.
    pub(crate) const NUMBERED: Self = Self(1 << 5);
    /// A number, code or value of what the parent's name says.
    pub(crate) const GENERIC: Self = Self(1 << 6);
    /// Of those, a number of the parent: "order": {"number": ...}.
    pub(crate) const NUMBER_OF: Self = Self(1 << 7);

    /// Whether this holds any of `meaning`.
    pub(crate) const fn says(self, meaning: Self) -> bool {
        self.0 & meaning.0 != 0
    }

    /// Both together.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is left without `other`.
    #[must_use]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the name says nothing of what its value is.
    pub(crate) const fn is_neutral(self) -> bool {
        self.without(Self::GENERIC.and(Self::NUMBER_OF)).0 == 0
    }

    /// What an identifier says: `customerCardNumber`, `order_id`, `Phone Number`.
    pub(crate) fn of_name(name: &[u8]) -> Self {
        let mut all = Self::default();
        let mut last = Word::default();
        each_word(name, |word| {
            all = all.and(of_words(last.as_bytes(), word.as_bytes()));
            last = *word;
        });
        if is_ending(last.as_bytes()) {
            // `phone_id`, `card_updated_at`: of the thing, not the thing.
            return all.without(Self::CARD.and(Self::PHONE)).and(Self::NUMBERED);
        }
        // `order_card_number` is a card number still.
        if all.says(Self::CARD) { all.without(Self::NUMBERED) } else { all }
    }

    /// What running text says of what comes next: the last telling word decides.
    pub(crate) fn of_text(text: &[u8]) -> Self {
        let mut telling = Self::default();
        let mut last = Word::default();
        each_word(text, |word| {
            let meaning = match word.as_bytes() {
                b"call" | b"called" | b"calling" | b"calls" | b"dial" | b"reach" | b"ring" => Self::PHONE,
                word => of_words(last.as_bytes(), word),
            };
            if !meaning.is_neutral() {
                telling = meaning;
            }
            last = *word;
        });
        telling
    }
}

/// A word in lower case; of a longer one than any in the lists, the beginning.
#[derive(Clone, Copy, Default)]
struct Word {
    bytes: [u8; 24],
    len: usize,
}

impl Word {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte.to_ascii_lowercase();
            self.len += 1;
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Calls `each` for every word of a name: `homePhoneNo` has three, `SSNNumber` two.
fn each_word(name: &[u8], mut each: impl FnMut(&Word)) {
    let mut word = Word::default();
    let mut before = b' ';
    for (at, byte) in name.iter().copied().enumerate() {
        let is_letter = byte.is_ascii_alphabetic() || byte >= 0x80;
        let hump = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_uppercase() && name.get(at + 1).is_some_and(u8::is_ascii_lowercase));
        if (!is_letter || hump) && word.len > 0 {
            each(&word);
            word = Word::default();
        }
        if is_letter {
            word.push(byte);
        }
        before = byte;
    }
    if word.len > 0 {
        each(&word);
    }
}

/// What a word says behind another: social security is not social insurance (Canada) nor social media.
fn of_words(before: &[u8], word: &[u8]) -> Meaning {
    match (before, word) {
        (b"social", b"security" | b"sec") => Meaning::SSN,
        _ => of_word(word),
    }
}

fn of_word(word: &[u8]) -> Meaning {
    match word {
        b"card" | b"cards" | b"cardno" | b"cardnum" | b"cardnumber" | b"ccno" | b"ccnum" | b"ccnumber" | b"cc"
        | b"creditcard" | b"creditcardnumber" | b"debitcard" | b"pan" | b"visa" | b"mastercard" | b"amex"
        | b"maestro" | b"carte" | b"karte" | b"kreditkarte" | b"kartennummer" | b"tarjeta" | b"cartao" | b"carta" => {
            Meaning::CARD
        }
        b"phone"
        | b"phones"
        | b"phoneno"
        | b"phonenum"
        | b"phonenumber"
        | b"phonenumbers"
        | b"telephone"
        | b"tel"
        | b"telno"
        | b"telefon"
        | b"telefono"
        | b"telefone"
        | b"telefonnummer"
        | b"telephonenumber"
        | b"t\xc3\xa9l\xc3\xa9phone"
        | b"tel\xc3\xa9fono"
        | b"mobile"
        | b"mobiles"
        | b"mobileno"
        | b"mobilenumber"
        | b"mobilephone"
        | b"mobil"
        | b"movil"
        | b"m\xc3\xb3vil"
        | b"handy"
        | b"handynummer"
        | b"cell"
        | b"cellphone"
        | b"celular"
        | b"cellulare"
        | b"portable"
        | b"gsm"
        | b"msisdn"
        | b"fax"
        | b"faxnumber"
        | b"landline"
        | b"whatsapp"
        | b"sms"
        | b"homephone"
        | b"workphone"
        | b"rufnummer" => Meaning::PHONE,
        b"ssn"
        | b"ssns"
        | b"ssnno"
        | b"ssnnumber"
        | b"socialsecurity"
        | b"socialsecuritynumber"
        | b"socialsecurityno"
        | b"taxpayer"
        | b"tin" => Meaning::SSN,
        b"iban" | b"ibans" | b"ibannumber" => Meaning::IBAN,
        b"email" | b"emails" | b"mail" | b"mails" | b"emailaddress" | b"mailto" | b"correo" | b"courriel" => {
            Meaning::EMAIL
        }
        b"number" | b"no" | b"nr" | b"num" | b"code" | b"numero" | b"nummer" => {
            Meaning::GENERIC.and(Meaning::NUMBER_OF)
        }
        b"value" | b"raw" | b"text" | b"digits" | b"formatted" | b"display" | b"home" | b"work" | b"office"
        | b"primary" | b"secondary" | b"main" | b"default" | b"national" | b"local" | b"normalized" | b"full" => {
            Meaning::GENERIC
        }
        b"order" | b"orders" | b"transaction" | b"transactions" | b"txn" | b"trx" | b"tracking" | b"track"
        | b"shipment" | b"shipments" | b"parcel" | b"consignment" | b"waybill" | b"awb" | b"imei" | b"imsi"
        | b"iccid" | b"meid" | b"esn" | b"ean" | b"gtin" | b"upc" | b"isbn" | b"issn" | b"barcode" | b"sku"
        | b"asin" | b"invoice" | b"invoices" | b"ticket" | b"tickets" | b"serial" | b"batch" | b"lot" | b"build"
        | b"trace" | b"span" | b"request" | b"correlation" | b"session" | b"event" | b"timestamp" | b"ts"
        | b"epoch" | b"millis" | b"micros" | b"nanos" | b"duration" | b"seq" | b"sequence" | b"offset" | b"cursor"
        | b"nonce" | b"checksum" | b"crc" | b"hash" | b"etag" | b"version" | b"revision" | b"commit" | b"size"
        | b"bytes" | b"count" | b"tracknumber" | b"trackingnumber" | b"ordernumber" | b"orderno" | b"orderid"
        | b"transactionid" | b"invoicenumber" | b"serialnumber" | b"snowflake" | b"uuid" | b"guid" | b"latitude"
        | b"longitude" => Meaning::NUMBERED,
        _ => Meaning::default(),
    }
}

/// Whether a name that ends with this word is of an identity, time or measure, whatever comes before.
fn is_ending(word: &[u8]) -> bool {
    matches!(
        word,
        b"id"
            | b"ids"
            | b"uid"
            | b"uuid"
            | b"guid"
            | b"at"
            | b"on"
            | b"time"
            | b"date"
            | b"ts"
            | b"timestamp"
            | b"ms"
            | b"us"
            | b"ns"
            | b"hash"
            | b"token"
            | b"count"
            | b"total"
            | b"verified"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let words = |name: &[u8]| {
            let mut all = Vec::new();
            each_word(name, |word| all.push(String::from_utf8(word.as_bytes().to_vec()).unwrap()));
            all
        };
        assert_eq!(words(b"homePhoneNo2"), ["home", "phone", "no"]);
        assert_eq!(words(b"SSNNumber"), ["ssn", "number"]);
        assert_eq!(words(b"X-Card_number"), ["x", "card", "number"]);
        assert!(words(b"  --1").is_empty());
    }

    #[test]
    fn telling_names() {
        for (name, meaning) in [
            ("cardNumber", Meaning::CARD),
            ("order_card_number", Meaning::CARD),
            ("customerSSN", Meaning::SSN),
            ("social_security_number", Meaning::SSN),
            ("mobilePhone", Meaning::PHONE),
            ("payout_iban", Meaning::IBAN),
            ("contactEmail", Meaning::EMAIL),
            ("order_number", Meaning::NUMBERED),
            ("card_id", Meaning::NUMBERED),
            ("phoneVerifiedAt", Meaning::NUMBERED),
        ] {
            let said = Meaning::of_name(name.as_bytes()).without(Meaning::GENERIC.and(Meaning::NUMBER_OF));
            assert_eq!(said, meaning, "{name}");
        }
        for name in [
            "className",
            "discard",
            "hotel",
            "ref",
            "id_number",
            "data",
            "field1",
            "",
            "companyName",
            "social",
            "socialInsuranceNumber",
        ] {
            assert!(Meaning::of_name(name.as_bytes()).is_neutral(), "{name}");
        }
    }

    #[test]
    fn the_last_telling_word_of_a_text_decides() {
        assert_eq!(Meaning::of_text(b"SSN on file"), Meaning::SSN);
        assert_eq!(Meaning::of_text(b"paid by card, order no"), Meaning::NUMBERED);
        assert_eq!(Meaning::of_text(b"order paid with card"), Meaning::CARD);
        assert_eq!(Meaning::of_text(b"reach me at"), Meaning::PHONE);
        assert!(Meaning::of_text(b"see you at").is_neutral());
    }
}
