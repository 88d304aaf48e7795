CREATE TABLE drivers (driver_id int PRIMARY KEY, name text, license_type text, hired_on date, city text);
CREATE TABLE vehicles (vehicle_id int PRIMARY KEY, plate text, capacity_kg numeric, brand text);
CREATE TABLE customers (customer_id int PRIMARY KEY, name text, city text, vip boolean);
CREATE TABLE packages (
    package_id int PRIMARY KEY, customer_id int REFERENCES customers, driver_id int REFERENCES drivers,
    vehicle_id int REFERENCES vehicles, weight_kg numeric, price numeric, status text, sent_on date, delivered_on date
);
CREATE TABLE complaints (complaint_id int PRIMARY KEY, package_id int REFERENCES packages, reason text, created_at date);
INSERT INTO drivers VALUES (1, 'Maria', 'C', '2021-03-01', 'Shanghai'), (2, 'Tom', 'B', '2025-06-15', 'Beijing'),
    (3, 'Wei', 'C', '2025-09-20', 'Shanghai'), (4, 'Ana', 'B', '2019-01-10', 'Suzhou');
INSERT INTO vehicles VALUES (1, 'A123', 900, 'Ford'), (2, 'B456', 1500, 'Volvo'), (3, 'C789', 1200, 'Ford');
INSERT INTO customers VALUES (1, 'Acme', 'Shanghai', true), (2, 'Bolt', 'Beijing', false), (3, 'Cira', 'Shanghai', false),
    (4, 'Dune', 'Suzhou', true), (5, 'Ecco', 'Beijing', false);
INSERT INTO packages VALUES
    (1, 1, 1, 1, 12.5, 80, 'delivered', '2026-03-02', '2026-03-04'), (2, 1, 2, 2, 3, 25, 'delivered', '2026-03-11', '2026-03-12'),
    (3, 2, 1, 1, 45, 210, 'lost', '2026-03-15', NULL), (4, 3, 3, 3, 7.5, 40, 'in_transit', '2026-11-20', NULL),
    (5, 4, 1, 2, 20, 130, 'delivered', '2026-02-01', '2026-02-05'), (6, 2, 2, 2, 1, 12, 'returned', '2026-02-18', NULL),
    (7, 3, 3, 1, 30, 160, 'lost', '2026-04-09', NULL);
INSERT INTO complaints VALUES (1, 3, 'lost', '2026-03-20'), (2, 7, 'lost', '2026-04-15'), (3, 6, 'damaged', '2026-02-20'),
    (4, 2, 'late', '2026-03-13'), (5, 3, 'no reply', '2026-04-01');
