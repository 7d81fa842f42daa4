/* Proves: methods, const, static, virtual and overloaded ones and operators, are functions like any other.
   Build: g++ -g -O0
   Profile: Counter::add
   Profile: Counter::total
   Profile: Counter::zero
   Profile: Base::step
   Profile: Derived::step
   Profile: Counter::operator+= */
struct Base {
    virtual ~Base() = default;
    virtual int step(int n) //@ function calls=10
    {
        return n; //@ hits=10
    } //@ hits=10
};

struct Derived : Base {
    int step(int n) override //@ function calls=10
    {
        return Base::step(n) * 2; //@ hits=10
    } //@ hits=10
};

class Counter {
public:
    void add(int n) //@ function calls=10
    {
        sum += n; //@ hits=10
    } //@ hits=10
    void add(long n, int times); // defined below
    int total() const //@ function calls=1
    {
        return sum; //@ hits=1
    } //@ hits=1
    static int zero() //@ function calls=1
    {
        return 0; //@ hits=1
    } //@ hits=1
    Counter &operator+=(int n) //@ function calls=4
    {
        sum += n;     //@ hits=4
        return *this; //@ hits=4
    } //@ hits=4

private:
    int sum = zero();
};

void Counter::add(long n, int times) //@ function calls=1
{
    for (int i = 0; i < times; i++) //@ hits=5
        *this += static_cast<int>(n); //@ hits=4
} //@ hits=1

int main()
{
    Counter counter;
    Derived derived;
    Base &base = derived;
    for (int i = 0; i < 10; i++)
        counter.add(base.step(i));
    counter.add(5L, 4);
    return counter.total() == 110 ? 0 : 1;
}
