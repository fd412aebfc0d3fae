from client import Client


async def main() -> None:
    client = Client()
    try:
        print(client)
    finally:
        await client.http_session.close()
