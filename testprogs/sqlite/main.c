/* Proves: nothing by itself: some work for the sqlite that the crate libsqlite3-sys carries, in memory, with an end
           that is the same in every run. Argument: how many rows. */
#include "sqlite3.h"

#include <stdio.h>
#include <stdlib.h>

static const char text[] =
    "create table goods (id integer primary key, name text, price real);"
    "create index by_name on goods (name);"
    "with recursive row (n) as (select 1 union all select n + 1 from row where n < %d)"
    " insert into goods select n, printf('%%d-%%d', n * 7919 %% 1000, n), n * 1.5 from row;"
    "create table sums as select name, sum(price) total, count(*) many from goods group by substr(name, 1, 3);"
    "update goods set price = price + 1 where id %% 3 = 0;"
    "delete from goods where id %% 7 = 0;";

static const char question[] =
    "select count(*), sum(goods.price), max(sums.total) from goods"
    " join sums on substr(goods.name, 1, 3) = substr(sums.name, 1, 3)";

int main(int argc, char **argv)
{
    sqlite3 *base;
    sqlite3_stmt *answer;
    char *statements = sqlite3_mprintf(text, argc == 2 ? atoi(argv[1]) : 1);
    if (sqlite3_open(":memory:", &base) != SQLITE_OK || sqlite3_exec(base, statements, NULL, NULL, NULL) != SQLITE_OK)
        return 1;
    sqlite3_free(statements);
    if (sqlite3_prepare_v2(base, question, -1, &answer, NULL) != SQLITE_OK || sqlite3_step(answer) != SQLITE_ROW)
        return 2;
    printf("%s %s %s\n", sqlite3_column_text(answer, 0), sqlite3_column_text(answer, 1),
           sqlite3_column_text(answer, 2));
    sqlite3_finalize(answer);
    return sqlite3_close(base) == SQLITE_OK ? 0 : 3;
}
