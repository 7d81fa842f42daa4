/* Proves: a lambda is a function of its own: its lines count its own calls, not those of the function around it.
   Build: g++ -g -O0
   Profile: work */
#include <algorithm>
#include <vector>

static int work(std::vector<int> &numbers) //@ function calls=1
{
    int sum = 0; //@ hits=1
    std::for_each(numbers.begin(), numbers.end(), [&](int n) {
        sum += n;
    });
    for (int n : numbers) //@ hits=6
        sum += n;         //@ hits=5
    return sum; //@ hits=1
} //@ hits=1

int main()
{
    std::vector<int> numbers{1, 2, 3, 4, 5};
    return work(numbers) == 30 ? 0 : 1;
}
