from __future__ import annotations

import time

import pytest
from pg_llm.privacy import kinds
from pg_llm.privacy.host import patterns

FOUND = [
    ("card", "Visa 4111 1111 1111 1111 ok", "4111 1111 1111 1111"),
    ("iban", "auf DE89 3704 0044 0532 0130 00 bitte", "DE89 3704 0044 0532 0130 00"),
    ("email", "新的邮箱是zhang@qq.com。", "zhang@qq.com"),
    ("ip", "来自10.1.2.3的登录", "10.1.2.3"),
    ("mac", "MAC 00:1B:44:11:3A:B7.", "00:1B:44:11:3A:B7"),
    ("national_id", "SSN 536-90-4399", "536-90-4399"),
    ("national_id", "NI number QQ 12 34 56 C? No, AB 12 34 56 C.", "AB 12 34 56 C"),
    ("national_id", "身份证号11010519491231002X。", "11010519491231002X"),
    ("national_id", "DNI: 12345678Z", "12345678Z"),
    ("national_id", "codice fiscale RSSMRA85T10A562S", "RSSMRA85T10A562S"),
    ("national_id", "Ausweisnummer L01X00T47", "L01X00T47"),
    ("tax_id", "Steuer-ID 86 095 742 719", "86 095 742 719"),
    ("tax_id", "NIF 12345678Z", "12345678Z"),
    ("passport", "passport no. C01X00T47 was shown", "C01X00T47"),
    ("license_plate", "Kennzeichen B-AB 1234", "B-AB 1234"),
    ("license_plate", "车牌号京A12345", "京A12345"),
    ("coordinates", "at 48.85837, 2.29448 sharp", "48.85837, 2.29448"),
    ("coordinates", "48°51'30\"N 2°17'40\"E", "48°51'30\"N 2°17'40\"E"),
    ("date_of_birth", "geboren am 3. März 1984", "3. März 1984"),
    ("date_of_birth", "born March 3, 1984.", "March 3, 1984"),
    ("date_of_birth", "出生日期1984年3月3日", "1984年3月3日"),
    ("medical_record", "MRN: MR-698021", "MR-698021"),
    ("password", "password=hunter2!x", "hunter2!x"),
    ("password", "Das Passwort lautet Xy7-kq9z.", "Xy7-kq9z"),
    ("password", "The password for the test server is Winter2031!, until Friday.", "Winter2031!"),
    ("password", "Use tiger-moon-lamp-7 as the password.", "tiger-moon-lamp-7"),
    ("password", "wifi: guests, pw l4mp3", "l4mp3"),
    ("password", "login: anna@example.com / Xy7#kq", "Xy7#kq"),
    ("password", "Melde dich mit Mond_77 an.", "Mond_77"),
    ("password", "mot de passe « Lune77! »", "Lune77!"),
    ("password", "我的密码是Mond_77。", "Mond_77"),
    ("password", "请用Mond_77登录", "Mond_77"),
    ("password", "psql postgresql://app:s3cr-t@db.internal/app", "s3cr-t"),
    ("password", "The PIN of the alarm is 48213.", "48213"),
    ("password", "您的验证码是482133，", "482133"),
    ("api_key", "AKIAIOSFODNN7EXAMPLE leaked", "AKIAIOSFODNN7EXAMPLE"),
    ("api_key", "api key 9f86d081884c7d659a2feaa0c55ad015", "9f86d081884c7d659a2feaa0c55ad015"),
    ("url", "see https://a.org/reset?token=abcdefgh now", "https://a.org/reset?token=abcdefgh"),
    ("url", "http://ann:secret@a.org/", "http://ann:secret@a.org/"),
    ("phone", "call +44 20 7946 0958", "+44 20 7946 0958"),
    ("phone", "Tel. 030 901820", "030 901820"),
    ("address", "lives at 12 High Street, Oxford, OX1 4AB", "12 High Street, Oxford, OX1 4AB"),
    ("address", "Hauptstraße 5, 80331 München", "Hauptstraße 5, 80331 München"),
    ("address", "12 rue de la Paix, 75002 Paris", "12 rue de la Paix, 75002 Paris"),
    ("address", "住在北京市朝阳区建国路88号。", "北京市朝阳区建国路88号"),
    ("api_key", "密钥ghp_0123456789abcdefghijABCDEFGHIJ012345被误传", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
    ("api_key", "密钥9f86d081884c7d659a2feaa0c55ad015被误传", "9f86d081884c7d659a2feaa0c55ad015"),
    ("coordinates", "坐标是48.85837, 2.29448。", "48.85837, 2.29448"),
    ("age", "今年47岁", "47"),
    ("age", "She is 47 years old", "47"),
    ("date", "on 2026-03-01", "2026-03-01"),
]
CLEAN = [
    "Version 10.4.2 fixes 37 bugs and needs 512 MB of memory.",
    "ISBN 978-3-16-148410-0, order 4539-2217, 1,249.00 dollars on 12 May 2026",
    "card 4111 1111 1111 1112 fails its check",
    "The password is wrong. Das Passwort ist falsch. Le mot de passe est incorrect.",
    "Passwords are hashed since version 2.14; the password reset failed with error E4021 in table users_2031.",
    "The password is case-sensitive, of 12characters, and SHA256 hashed. Log in with care.",
    "PIN the 3500 notes; the code in line 4821 of the zip code list 12345 is wrong.",
    "https://www.postgresql.org/docs/current/sql-select.html",
    "The commit 9f86d081884c7d659a2feaa0c55ad015 broke the build.",
    "",
    " ",
    "\ud800 broken",
]


@pytest.mark.parametrize(("kind", "text", "value"), FOUND)
def test_found(kind: str, text: str, value: str) -> None:
    found = patterns.find(text, [kind], kinds.LANGUAGES)
    assert value in [text[start:end] for name, start, end, score, _ in found if name == kind and score >= 0.5]


@pytest.mark.parametrize("text", CLEAN)
def test_nothing_personal(text: str) -> None:
    assert [each for each in patterns.find(text, kinds.DEFAULT, kinds.LANGUAGES) if each[3] >= 0.5] == []


@pytest.mark.parametrize(
    "part",
    ["a@", "1-", "A1 ", "12 Main ", "路", "pass=", "http://", "Via A ", "0 ", "[", "a.b", "password is ", "pin "],
)
def test_time_grows_with_the_text_only(part: str) -> None:
    def seconds(times: int) -> float:
        start = time.process_time()
        list(patterns.find(part * times, [*kinds.DESCRIPTIONS], kinds.LANGUAGES))
        return time.process_time() - start

    assert seconds(6000) < 30 * max(seconds(1000), 0.02)


@pytest.mark.parametrize("text", ["Tel. 030 901820", "(212) 555-0143", "0044 20 7946 0958", "tel:030-901820;ext=7"])
def test_only_what_begins_with_a_plus_is_a_phone_of_any_country(text: str) -> None:
    """Texts without a plus are not searched for those."""
    phonenumbers = pytest.importorskip("phonenumbers")
    assert list(phonenumbers.PhoneNumberMatcher(text, None)) == []
    for plus in "+\uff0b":
        found = list(patterns.find(f"{plus}44 20 7946 0958", ["phone"], ["en"]))
        assert ("phone", 0, 16, 0.97, "phone_international") in found


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("Lot no. 021-33-0408 was recalled.", "national_id", []),
        ("SSN 021-33-0408, of lot 7", "national_id", ["021-33-0408"]),
        ("the lot of 021-33-0408", "national_id", ["021-33-0408"]),
        ("Update to version: 10.2.0.7 now.", "ip", []),
        ("version 3 at 10.2.0.7", "ip", ["10.2.0.7"]),
        ("成都市武侯区人民南路四段9号。", "address", ["成都市武侯区人民南路四段9号"]),
    ],
)
def test_what_a_word_numbers_is_something_else(text: str, kind: str, found: list[str]) -> None:
    spans = [each for each in patterns.find(text, [kind], kinds.LANGUAGES) if each[0]]
    assert [text[start:end] for _, start, end, *_ in spans] == found
