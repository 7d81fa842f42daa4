/* Proves: functions are found by a trailing part of their path, through nested and anonymous namespaces, and of two
           functions of one name only the one that is named is profiled.
   Build: g++ -g -O0
   Profile: inner::work
   Profile: hidden */
namespace outer {
namespace inner {
int work(int n) //@ function calls=3
{
    return n + 1; //@ hits=3
} //@ hits=3
} // namespace inner

namespace {
int hidden(int n) //@ function calls=2
{
    return n + 2; //@ hits=2
} //@ hits=2
} // namespace

int twice(int n)
{
    return hidden(hidden(n));
}
} // namespace outer

int work(int n)
{
    return outer::inner::work(n); //@ blank
}

int main()
{
    return work(work(work(0))) + outer::twice(0) == 7 ? 0 : 1;
}
