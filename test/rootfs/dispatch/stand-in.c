/* Stands in for a program: prints which of them it is, and its words as JSON strings without escapes. */
#include <stdio.h>

int main(int argc, char **argv)
{
	printf("%s", ROLE);
	for (int i = 0; i < argc; i++)
		printf(" \"%s\"", argv[i]);
	putchar('\n');
	return 7;
}
