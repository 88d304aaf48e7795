"""Vocabulary of database names: abbreviations and common parts."""

from __future__ import annotations

# Abbreviations that mean the same in most schemas; ambiguous ones (comm, exch) are resolved by the question.
ABBREVIATIONS = dict(
    entry.split(maxsplit=1)
    for entry in """
    num number, no number, nr number, nbr number, cnt count, qty quantity, amt amount, dept department,
    emp employee, cust customer, addr address, desc description, descr description, avg average, pct percent,
    dob birth date, yr year, tel phone, ph phone, img image, acct account, acc account, prod product, cat category,
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
# Further short words that abbreviate no other word.
SHORT_WORDS = frozenset(
    """
    act ad age aid aim air am an and are area arm art as ask at back bad bag ban band bank bar base bat bath be bed
    bet bid big bill bin bit boat body bond book box boy bug bus but buy by call camp can cap car card care case
    cash cast cell cent chat city club coat cold cook cost crew crop cup cut data day deal death debt deck desk diet
    do dog door draw drug due each egg end eye face fact fair fall fan farm fast fat fee film fine fire firm fish
    fit flat fly food foot for form free fuel full fun fund gain game gap gas gate gift girl go goal gold good grade
    ground hall hand hat he head heat her hill him hit home hot i id idea if in inn is it item job join key kid kind
    king kit lab lake land lane law lead left let lid lie life light line link list load loan long lot love low mail
    main male man many map mark mass me meal men mile milk mind mine mode moon my need net new news night node note
    of off oil old on open or order out own pack page paid pain pair pan park part pass path pay pen per pet pick
    pie pin pipe plan plane plant plate play plot plus poem pool poor port post press pub pump race rain rank rate
    raw read real red rent rest rice ride ring risk road rock role roof room root rose row rule run safe sale salt
    sea seat self sell set sex she shop show side sign sin site size skin sky slot snow so soil son song star stay
    step stop store sun tag take tale talk tank tap task tax tea team tell ten test text than that the then they
    thing this tie till time tip to toe ton tone tool top tour town toy trade train tree trip try tub turn two type
    unit up us use van view vote wage walk wall war was water way we wed well wet who win wind wine wire with wood
    word work year yes you zip zone
""".split()
)
# Abbreviations that no English word ends with.
ABBREVIATED_ENDINGS = {"dt", "nm", "cd", "qty", "amt", "cnt", "pct", "nbr", "addr", "desc"}
