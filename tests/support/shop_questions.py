"""A small shop as a schema, and questions about it in ten forms with the SQL that the grammar reads them as."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.ask.grammar import synthesis
from pg_llm.ask.grammar.synthesis import Interpretation
from pg_llm.ask.linking import question as question_linking
from pg_llm.ask.mention import LinkedQuestion, ValueMatch
from pg_llm.ask.schema import DECLARED_COST, Edge, Schema, SchemaColumn, SchemaTable

TODAY = "2026-11-30"
_KINDS = {"id": "number", "amount": "number", "price": "number", "quantity": "number", "date": "date", "active": "bool"}
_TABLES = {
    "customers": (["customer_id", "name", "city", "signup_date", "email", "is_active"], "客户"),
    "products": (["product_id", "name", "category", "price"], "商品"),
    "orders": (["order_id", "customer_id", "order_date", "status", "channel", "total_amount"], "订单"),
    "order_items": (["order_id", "product_id", "quantity"], "订单明细"),
}
_CHINESE = {
    "name": "名称", "city": "城市", "category": "类别", "price": "价格", "status": "状态", "channel": "渠道",
    "total_amount": "金额", "order_date": "下单日期", "email": "邮箱", "signup_date": "注册日期",
}  # fmt: skip
_VALUES = {
    (0, 2): ["Ulm", "Bonn"],
    (0, 1): ["Ada", "Ben"],
    (1, 2): ["home", "office"],
    (1, 1): ["Lamp", "Desk"],
    (2, 3): ["pending", "returned", "delivered", "Delivered"],
    (2, 4): ["phone", "web"],
}


def schema() -> Schema:
    """Customers, products, orders and their items."""
    tables = []
    for oid, (name, (columns, chinese)) in enumerate(_TABLES.items(), 1):
        made = [_column(column) for column in columns]
        key = [0] if name != "order_items" else [0, 1]
        tables.append(SchemaTable(oid, name, name, made, [chinese], key=key))
    edges = [
        Edge(2, 0, ((1, 0),), DECLARED_COST, True),
        Edge(3, 2, ((0, 0),), DECLARED_COST, True),
        Edge(3, 1, ((1, 0),), DECLARED_COST, True),
    ]
    return Schema(tables, edges)


def _column(name: str) -> SchemaColumn:
    kind = _KINDS.get(name.rpartition("_")[2], "text")
    return SchemaColumn(name, name, kind, kind, [_CHINESE[name]] if name in _CHINESE else [])


def values(question: str) -> list[ValueMatch]:
    """The values of the rows that the question names."""
    return [
        ValueMatch(ref, value, start, start + len(value), True)
        for ref, held in _VALUES.items()
        for value in held
        if (start := question.lower().find(value.lower())) >= 0
    ]


def linked(question: str, shop: Schema | None = None) -> LinkedQuestion:
    """The question linked to the shop."""
    return question_linking.link(question, shop or schema(), values(question), TODAY)


def read(question: str, shop: Schema | None = None) -> Sequence[Interpretation]:
    """The interpretations of a question, best first."""
    shop = shop or schema()
    return synthesis.interpret(linked(question, shop), shop).interpretations


def sql(question: str) -> str | None:
    """The SQL of the best interpretation, None where there is none that is likely."""
    found = read(question)
    return found[0].sql if found and found[0].score >= 0.6 else None


COUNT = "SELECT count(*) FROM orders"
PENDING = f"{COUNT} WHERE status = 'pending'"
OF_CUSTOMER = "orders.customer_id = customers.customer_id"
PER_CUSTOMER = f"(SELECT count(*) FROM orders WHERE {OF_CUSTOMER})"
IN_2025 = "order_date >= '2025-01-01' AND order_date < '2026-01-01'"
IDLE = f"SELECT name FROM customers WHERE NOT EXISTS (SELECT FROM orders WHERE {OF_CUSTOMER})"
BY_CATEGORY = "SELECT category, avg(price) AS avg_price FROM products GROUP BY category"
FORMS = {
    "list": {
        "SELECT name FROM customers": ["List all customers", "Show me the customers", "有哪些客户"],
        "SELECT name, email FROM customers": [
            "Names and emails of the customers",
            "the customers' names and emails",
            "Name and e-mail address of all customers",
        ],
        "SELECT DISTINCT status FROM orders": ["Which status do the orders have?", "the status of the orders"],
        "SELECT order_id FROM orders WHERE status = 'pending'": [
            "Show all pending orders",
            "状态为pending的订单有哪些",
        ],
    },
    "count": {
        COUNT: [
            "How many orders are there?", "number of orders", "the total number of orders?",
            "有多少订单？", "有多少份订单？",
        ],
        PENDING: ["How many orders are pending?", "How many pending orders do we have?", "有多少pending的订单"],
        f"{COUNT} WHERE status IN ('delivered', 'Delivered')": ["How many orders were delivered?"],
        f"{COUNT} WHERE status IN ('pending', 'returned')": ["How many orders are pending or returned?"],
        "SELECT count(DISTINCT city) FROM customers": ["How many different cities are there?"],
    },
    "filter": {
        "SELECT name FROM products WHERE price > 50": [
            "Which products have a price above 50?",
            "products with a price of more than 50",
            "价格超过50的商品有哪些",
        ],
        "SELECT name FROM products WHERE price BETWEEN 10 AND 20": [
            "Products with a price between 10 and 20",
            "价格在10到20之间的商品有哪些",
        ],
        "SELECT price FROM products WHERE name = 'Lamp'": ["What is the price of Lamp?"],
    },
    "top": {
        "SELECT name FROM products ORDER BY price DESC NULLS LAST FETCH FIRST 1 ROWS WITH TIES": [
            "Which product has the highest price?",
            "What is the most expensive product?",
            "价格最高的商品是哪个",
        ],
        "SELECT name, price FROM products ORDER BY price DESC NULLS LAST LIMIT 3": [
            "top 3 products by price",
            "The three most expensive products",
        ],
        f"SELECT name, {PER_CUSTOMER} AS count FROM customers WHERE EXISTS (SELECT FROM orders WHERE {OF_CUSTOMER})"
        f" ORDER BY {PER_CUSTOMER} DESC NULLS LAST LIMIT 5": [
            "Top 5 customers by number of orders",
        ],
        "SELECT max(price) FROM products": ["What is the highest price?"],
        f"SELECT name FROM customers WHERE EXISTS (SELECT FROM orders WHERE {OF_CUSTOMER})"
        f" ORDER BY {PER_CUSTOMER} DESC NULLS LAST FETCH FIRST 1 ROWS WITH TIES": [
            "Which customer has the most orders?",
        ],
    },
    "group": {
        BY_CATEGORY: ["Average price by category", "What is the average price per category?", "各类别的平均价格"],
        "SELECT channel, count(*) AS count FROM orders GROUP BY channel": [
            "Number of orders per channel",
            "How many orders are there for each channel?",
            "Orders per channel",
            "每个渠道有多少订单",
        ],
        "SELECT customers.name, sum(orders.total_amount) AS sum_total_amount FROM orders JOIN customers"
        f" ON {OF_CUSTOMER} GROUP BY customers.customer_id, customers.name": ["Total amount per customer"],
    },
    "period": {
        f"{COUNT} WHERE {IN_2025}": ["How many orders were there in 2025?", "2025年有多少订单", "2025年的订单数量"],
        f"SELECT date_trunc('month', order_date)::date AS month, count(*) AS count FROM orders WHERE {IN_2025}"
        " GROUP BY date_trunc('month', order_date)::date ORDER BY date_trunc('month', order_date)::date": [
            "Number of orders per month in 2025",
            "How many orders were there each month in 2025?",
        ],
        f"{COUNT} WHERE order_date >= '2026-10-01' AND order_date < '2026-11-01'": ["How many orders last month?"],
        "SELECT name FROM customers WHERE signup_date < '2024-01-01'": ["Which customers signed up before 2024?"],
        "SELECT count(*) FROM customers WHERE EXISTS (SELECT FROM orders WHERE"
        f" {OF_CUSTOMER} AND orders.order_date >= '2025-01-01' AND orders.order_date < '2026-01-01')": [
            "How many customers ordered in 2025?",
            "How many customers placed an order in 2025?",
        ],
    },
    "several groups": {
        "SELECT channel, status, count(*) AS count FROM orders GROUP BY channel, status": [
            "Number of orders per channel and status",
        ],
        "SELECT orders.channel, customers.name, count(*) AS count FROM orders JOIN customers"
        f" ON {OF_CUSTOMER} GROUP BY orders.channel, customers.customer_id, customers.name": [
            "How many orders are there per channel and customer?",
        ],
        "SELECT channel, extract(year FROM order_date)::int AS year, count(*) AS count FROM orders"
        " GROUP BY channel, extract(year FROM order_date)::int": ["Number of orders by channel and year"],
    },
    "comparison": {
        f"SELECT name FROM customers WHERE {PER_CUSTOMER} > 3": [
            "Which customers have more than 3 orders?",
            "customers with more than three orders",
        ],
    },
    "ratio": {
        "SELECT 100.0 * count(*) FILTER (WHERE status = 'returned') / nullif(count(*), 0) AS percent FROM orders": [
            "What percentage of orders were returned?",
        ],
        "SELECT 1.0 * count(*) FILTER (WHERE channel = 'web') / nullif(count(*), 0) AS share FROM orders": [
            "What share of orders came through the web?",
        ],
        "SELECT 1.0 * (SELECT count(*) FROM orders WHERE channel = 'web') / nullif((SELECT count(*) FROM orders"
        " WHERE channel = 'phone'), 0) AS ratio": ["What is the ratio of web orders to phone orders?"],
    },
    "negation": {
        IDLE: ["Which customers have no orders?", "customers without orders", "没有订单的客户有哪些"],
        "SELECT count(*) FROM customers WHERE email IS NULL": [
            "How many customers have no email?", "Count of customers without an e-mail"],
        "SELECT count(*) FROM customers WHERE NOT is_active": [
            "How many customers are not active?", "inactive customers: how many?"],
        f"{COUNT} WHERE status <> 'pending'": ["How many orders are not pending?"],
    },
    "join": {
        "SELECT count(*) FROM orders JOIN customers"
        f" ON {OF_CUSTOMER} WHERE customers.city = 'Ulm'": [
            "How many orders of customers from Ulm?", "orders from Ulm: how many?"],
    },
}  # fmt: skip
