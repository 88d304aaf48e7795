"""Vocabulary of database names: abbreviations and common parts."""

from __future__ import annotations

# Abbreviations that mean the same in most schemas; ambiguous ones (comm, exch) are resolved by the question.
ABBREVIATIONS = dict(
    entry.split(maxsplit=1)
    for entry in """
    num number, no number, nr number, nbr number, cnt count, qty quantity, amt amount, dept department,
    emp employee, cust customer, addr address, desc description, descr description, avg average, pct percent,
    dob birth date, fst first, lst last, yr year, tel phone, ph phone, img image, acct account, acc account,
    prod product, cat category,
    org organization, mgr manager, msg message, txn transaction, tx transaction, dt date, ts time, tm time, nm name,
    fname first name, lname last name, mname middle name, pos position, ref reference, bal balance, loc location,
    info information, doc doctor, temp temperature, max maximum, min minimum, tot total, ccy currency, ctry country,
    cntry country, st state, stat status, sts status, typ type, cd code, lang language, pmt payment, pymt payment,
    ord order, qtr quarter, wk week, mth month, hr hour, hrs hour, secs second, mins minute, lvl level, grp group,
    mkt market, mfr manufacturer, wt weight, ht height, len length, vol volume, univ university, sal salary,
    appt appointment, sched schedule, cmt comment, pkg package, lat latitude, lon longitude, lng longitude,
    freq frequency, dur duration, dest destination, orig origin, src source, sess session""".split(",")
)
# Further words that are often joined with others in names.
_COMMON_PARTS = frozenset(
    """
    id name date code number time type key first last full middle birth day year month count status state street
    line group level rate percent value limit balance url text note file user hour week total net gross tax unit
    ship bill due create update price cost customer product order item city country
""".split()
)
# Words that abbreviate no other word where they occur in a name.
KNOWN_WORDS = frozenset(
    {
        *_COMMON_PARTS,
        *(word for said in ABBREVIATIONS.values() for word in said.split()),
    }
)
# Abbreviations that no English word ends with.
ABBREVIATED_ENDINGS = {"dt", "nm", "cd", "qty", "amt", "cnt", "pct", "nbr", "addr", "desc"}
