CREATE TABLE t_dept (dept_id int PRIMARY KEY, dept_name text, floor int);
CREATE TABLE t_doctor (doc_id int PRIMARY KEY, dept_id int REFERENCES t_dept, doc_name text, title text, hire_dt date);
CREATE TABLE t_patient (pat_id int PRIMARY KEY, pat_name text, sex text, birth_dt date, city text);
CREATE TABLE t_reg (
    reg_id int PRIMARY KEY, pat_id int REFERENCES t_patient, doc_id int REFERENCES t_doctor, reg_time timestamp, fee numeric,
    reg_type text, status text
);
CREATE TABLE t_drug (drug_id int PRIMARY KEY, drug_name text, price numeric, stock int);
CREATE TABLE t_rx (rx_id int PRIMARY KEY, reg_id int REFERENCES t_reg, drug_id int REFERENCES t_drug, qty int);
COMMENT ON TABLE t_dept IS '科室表';
COMMENT ON COLUMN t_dept.dept_name IS '科室名称';
COMMENT ON COLUMN t_dept.floor IS '楼层';
COMMENT ON TABLE t_doctor IS '医生信息表';
COMMENT ON COLUMN t_doctor.doc_name IS '医生姓名';
COMMENT ON COLUMN t_doctor.title IS '职称';
COMMENT ON COLUMN t_doctor.hire_dt IS '入职日期';
COMMENT ON TABLE t_patient IS '患者信息';
COMMENT ON COLUMN t_patient.pat_name IS '患者姓名';
COMMENT ON COLUMN t_patient.sex IS '性别：男/女';
COMMENT ON COLUMN t_patient.birth_dt IS '出生日期';
COMMENT ON COLUMN t_patient.city IS '所在城市';
COMMENT ON TABLE t_reg IS '挂号记录';
COMMENT ON COLUMN t_reg.reg_time IS '挂号时间';
COMMENT ON COLUMN t_reg.fee IS '挂号费';
COMMENT ON COLUMN t_reg.reg_type IS '号别';
COMMENT ON COLUMN t_reg.status IS '状态';
COMMENT ON TABLE t_drug IS '药品';
COMMENT ON COLUMN t_drug.drug_name IS '药品名称';
COMMENT ON COLUMN t_drug.price IS '单价';
COMMENT ON COLUMN t_drug.stock IS '库存数量';
COMMENT ON TABLE t_rx IS '处方明细';
COMMENT ON COLUMN t_rx.qty IS '数量';
INSERT INTO t_dept VALUES (1, '内科', 2), (2, '外科', 3), (3, '儿科', 3), (4, '眼科', 5);
INSERT INTO t_doctor VALUES
    (1, 1, '孙明', '主任医师', '2010-07-01'), (2, 1, '周婷', '住院医师', '2022-08-15'), (3, 2, '郑凯', '副主任医师', '2015-03-09'),
    (4, 2, '何雪', '副主任医师', '2017-11-20'), (5, 3, '林涛', '主任医师', '2012-05-05'), (6, 2, '高峰', '住院医师', '2023-01-03');
INSERT INTO t_patient VALUES
    (1, '赵敏', '女', '1990-04-12', '杭州'), (2, '钱进', '男', '1955-09-30', '宁波'), (3, '冯丽', '女', '1978-01-25', '杭州'),
    (4, '韩冰', '男', '2018-06-06', '杭州'), (5, '沈阳', '男', '1983-12-01', '绍兴');
INSERT INTO t_reg VALUES
    (1, 1, 1, '2026-10-03 09:10', 50, '专家', '已就诊'), (2, 1, 3, '2026-10-20 14:00', 30, '普通', '已取消'),
    (3, 2, 1, '2026-10-08 08:30', 50, '专家', '已就诊'), (4, 3, 4, '2026-09-17 10:45', 30, '普通', '已就诊'),
    (5, 4, 5, '2026-10-11 19:20', 20, '急诊', '已就诊'), (6, 2, 1, '2026-11-02 09:00', 50, '专家', '待就诊'),
    (7, 1, 2, '2026-08-29 11:15', 20, '普通', '已就诊'), (8, 4, 5, '2026-11-05 21:40', 20, '急诊', '已取消');
INSERT INTO t_drug VALUES (1, '阿莫西林', 18.5, 240), (2, '布洛芬', 22, 35), (3, '头孢克肟', 46, 12), (4, '维生素C', 9.9, 500);
INSERT INTO t_rx VALUES (1, 1, 1, 2), (2, 1, 4, 1), (3, 3, 2, 1), (4, 4, 1, 3), (5, 5, 3, 2);
