/* Proves: a library that the program was linked with is there when its first line runs. */
int grow(int turns);

int main(void)
{
    return grow(3);
}
